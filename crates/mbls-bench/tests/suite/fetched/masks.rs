//! Images with masks.

use super::data;
use super::distribution::{Distribution, fetch};
use super::pack::{below, tar};
use super::training::Training;
use mbls_seg::model::{Architecture, Options};

#[test]
fn voc2012_is_fetched_and_trained_on() {
    let Some(folder) = data("voc-sample/VOCdevkit") else { return };
    let mut entries = below(&folder, "VOCdevkit");
    let lists = "VOCdevkit/VOC2012/ImageSets/Segmentation";
    // The sample has the lists of the parts; the distributor's archive also has a list of both.
    let list = |part: &str| {
        let path = format!("{lists}/{part}.txt");
        entries
            .iter()
            .find(|entry| entry.0 == path)
            .unwrap_or_else(|| panic!("{path} is missing"))
            .1
            .clone()
    };
    let both = [list("train"), list("val")].concat();
    entries.retain(|(path, _)| !path.ends_with("/trainval.txt"));
    entries.push((format!("{lists}/trainval.txt"), both));
    let counts = vec![("JPEGImages/*.jpg", 5), ("SegmentationClass/*.png", 5)];
    let fetched =
        fetch(vec![Distribution { name: "voc2012", downloads: vec![tar(entries)], counts }]);
    let model = "unet-r18";
    let trained =
        Training { suite: "voc2012", model, sizes: [2, 1, 2] }.run(fetched.path(), |_| {});
    let architecture: Architecture = model.parse().expect("a network");
    let network = architecture.network(21, 3).expect("a network");
    trained.assert_changed(|store| network.build(Options::default(), store.var_builder()));
}
