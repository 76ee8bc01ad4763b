use crate::program::{f32s, folder, mbls, npz, probs, rows, write};
use mbls_cli::Exit;
use mbls_core::metric::{
    LogitRows, Metric, OodDetection, OodScore, OodScores, UnlabelledRows, energy_scores,
};

#[test]
fn separation_is_that_of_the_library() {
    let folder = folder();
    let inside = rows().0;
    let outside: Vec<f32> = inside.iter().take(120).map(|logit| logit * 0.4).collect();
    write(&folder, "out.npz", npz(&[("logits", f32s("(40, 3)", &outside))], false));
    let json = mbls(&folder, "ood @/rows.npz @/out.npz --resamples 50 --format json").json();
    assert_eq!((&json["in"]["samples"], &json["out"]["samples"]), (&60.into(), &40.into()));
    let energy = |logits: &[f32]| energy_scores(LogitRows::new(logits, 3).unwrap(), 1.0).unwrap();
    let by = |score: OodScore, logits: &[f32]| {
        score.of(&UnlabelledRows::from_logits(logits, 3).unwrap())
    };
    for (name, a, b) in [
        ("confidence", by(OodScore::Confidence, &inside), by(OodScore::Confidence, &outside)),
        ("entropy", by(OodScore::Entropy, &inside), by(OodScore::Entropy, &outside)),
        ("margin", by(OodScore::Margin, &inside), by(OodScore::Margin, &outside)),
        ("energy", energy(&inside), energy(&outside)),
    ] {
        let mut detection = OodDetection::new();
        detection.update(OodScores::inside(&a).unwrap()).unwrap();
        detection.update(OodScores::outside(&b).unwrap()).unwrap();
        let report = detection.value().unwrap();
        let found = &json["scores"][name];
        assert_eq!(found["auroc"]["value"], report.auroc, "{name}");
        assert_eq!(found["fpr_at_95_tpr"]["value"], report.fpr_at_95_tpr, "{name}");
        let end = |end: &str| found["auroc"][end].as_f64().unwrap();
        assert!(end("low") <= report.auroc && report.auroc <= end("high"), "{found}");
    }
}

#[test]
fn probabilities_have_no_energy_and_bad_scores_are_named() {
    let folder = folder();
    write(&folder, "p.npz", npz(&[("probs", f32s("(60, 3)", &probs()))], false));
    let ran = mbls(&folder, "ood @/p.npz @/p.npz --no-intervals --format json");
    assert!(ran.messages.contains("no energy"), "{}", ran.messages);
    let json = ran.json();
    assert!(json["scores"]["energy"].is_null());
    assert_eq!(json["scores"]["confidence"]["auroc"]["value"], 0.5);
    for format in ["table", "csv", "markdown"] {
        let ran = mbls(&folder, &format!("ood @/p.npz @/p.npz --no-intervals --format {format}"));
        assert!(ran.exit == Exit::Fine && ran.out.contains("entropy"), "{}", ran.out);
    }
    let mut logits = rows().0;
    logits[15 * 3 + 2] = f32::NAN;
    logits[20 * 3] = f32::NAN;
    write(&folder, "nan.npz", npz(&[("logits", f32s("(60, 3)", &logits))], false));
    let ran = mbls(&folder, "ood @/rows.npz @/nan.npz --quiet");
    assert_eq!(ran.exit, Exit::BadInput);
    assert!(
        ran.messages.contains("NaN at row 15, class 2") && ran.messages.contains("2 of 60 rows"),
        "{}",
        ran.messages
    );
    let ran = mbls(&folder, "ood @/rows.npz @/p.npz --no-intervals");
    assert_eq!(ran.exit, Exit::Fine, "logits and probabilities of one model have confidences");
}
