//! Standalone diagrams.

use crate::evaluation::{curve, rows};
use crate::well_formed::check;
use mbls_report::{Curve, Diagram, EmbeddedFont, Layout, Quantity, Theme};

const EVIL: &str = "</svg><script>alert('&\"')</script>\0";

fn variants() -> Vec<(String, Diagram)> {
    let curves = |n: usize| {
        (0..n)
            .map(|i| curve(&format!("Model {i}"), 900 + 700 * i, 0.8 - 0.1 * i as f64, 15))
            .collect()
    };
    let mut diagrams = Vec::new();
    for theme in [Theme::Light, Theme::Dark] {
        let single = Diagram { theme, ..Diagram::new("One model on CIFAR-10", curves(1)) };
        let several = Diagram {
            theme,
            ..Diagram::new("Six models that share one diagram with a long title", curves(6))
        };
        let smooth = Diagram { bins: false, ..single.clone() };
        let grid = Diagram {
            quantity: Quantity::Class,
            layout: Layout::Grid { columns: 3 },
            ..Diagram { theme, ..Diagram::new("Classes", curves(5)) }
        };
        for (name, diagram) in
            [("single", single), ("several", several), ("smooth", smooth), ("grid", grid)]
        {
            diagrams.push((format!("{name}-{theme:?}").to_lowercase(), diagram));
        }
    }
    diagrams
}

/// The documents are well-formed and use nothing that a plain renderer lacks. With
/// `MBLS_WRITE_DIAGRAMS` they are written to that folder, to look at.
#[test]
fn documents() {
    for (name, diagram) in variants() {
        let svg = diagram.svg();
        assert_eq!(svg, diagram.svg());
        check(&format!("<!DOCTYPE html>\n{svg}"));
        for part in ["var(", "NaN", "inf", "@media"] {
            assert!(!svg.contains(part), "{part} in {name}");
        }
        if let Ok(folder) = std::env::var("MBLS_WRITE_DIAGRAMS") {
            std::fs::write(format!("{folder}/{name}.svg"), svg).unwrap();
        }
    }
}

#[test]
fn several_models_differ_without_colour() {
    let svg = variants()[1].1.svg();
    for i in 0..6 {
        assert!(svg.contains(&format!("curve series-{i} dash-{}", i % 7)), "{i}");
        assert!(svg.contains(&format!("marker fill-{i}")), "{i}");
        assert!(svg.contains(&format!(">Model {i}<")), "{i}");
    }
}

#[test]
fn hostile_texts() {
    let font = EmbeddedFont { family: "a\"}<b".to_string(), bytes: vec![1, 2, 3] };
    for layout in [Layout::Overlaid, Layout::Grid { columns: 0 }] {
        let curves = vec![Curve { title: EVIL.to_string(), ..curve("", 50, 0.5, 3) }; 2];
        let svg = Diagram { layout, font: Some(font.clone()), ..Diagram::new(EVIL, curves) }.svg();
        check(&format!("<!DOCTYPE html>\n{svg}"));
        assert!(
            !svg.contains("<script")
                && svg.contains("font-family: \"ab\"; src: url(data:font/sfnt;base64,AQID)")
        );
    }
    check(&format!("<!DOCTYPE html>\n{}", Diagram::new("", vec![]).svg()));
}

#[test]
fn a_band_is_drawn_over_its_bins() {
    let curve = curve("", 900, 0.8, 5);
    let drawn = curve.band.as_ref().unwrap().accuracies.iter().flatten().count();
    assert!(drawn > 2 && rows(900, 0.8).n() == 900);
    let svg = Diagram::new("", vec![curve]).svg();
    // One more in the legend.
    assert_eq!(svg.matches("class=\"band\"").count(), drawn + 1);
}
