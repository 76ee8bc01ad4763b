use super::VOID;
use candle_core::{DType, Device, Tensor};
use mbls_core::metric::Metric;
use mbls_seg::metric::{DistanceBands, SegmentationMetrics, SegmentationSettings, SegmentedImages};

fn metrics(classes: usize) -> SegmentationMetrics {
    SegmentationMetrics::new(classes, SegmentationSettings::default()).unwrap()
}

#[test]
fn wrong_batches_are_refused_and_leave_no_trace() {
    let mut metrics = metrics(2);
    let seen = SegmentedImages {
        logits: (&[0.0, 1.0, 2.0, 0.5]).into(),
        shape: [1, 2, 1, 2],
        labels: (&[0, 1]).into(),
        indices: &[7],
    };
    metrics.update(seen).unwrap();
    let before = metrics.clone();
    let zeros = [0.0f32; 12];
    let mut nan = zeros;
    nan[8] = f32::NAN;
    let mut infinite = zeros;
    infinite[5] = f32::INFINITY;
    let shape = [2, 2, 1, 3];
    let good = SegmentedImages {
        logits: (&zeros).into(),
        shape,
        labels: (&[0, 1, 1, VOID, 0, 1]).into(),
        indices: &[0, 1],
    };
    let cases = [
        (
            SegmentedImages { logits: (&zeros[..11]).into(), ..good },
            "logits: expected [2, 2, 1, 3], found 11 values",
        ),
        (
            SegmentedImages { labels: (&[0; 5]).into(), ..good },
            "labels: expected [2, 1, 3], found 5 values",
        ),
        (
            SegmentedImages { shape: [2, 3, 1, 2], labels: (&[0; 4]).into(), ..good },
            "logits: expected 2 classes, found 3 classes",
        ),
        (
            SegmentedImages { shape: [4, 1, 1, 3], labels: (&[0; 12]).into(), ..good },
            "classes = 1: expected from 2 to 2^32 - 1",
        ),
        (SegmentedImages { indices: &[0], ..good }, "indices: expected 2 images, found 1 indices"),
        (
            SegmentedImages { indices: &[3, 3], ..good },
            "image = 3: expected one that was not added before",
        ),
        (
            SegmentedImages { indices: &[0, 7], ..good },
            "image = 7: expected one that was not added before",
        ),
        (
            SegmentedImages { labels: (&[0, 1, 1, VOID, 2, 1]).into(), ..good },
            "label 2 at row 4 is out of range: the logits have 2 classes",
        ),
        (
            SegmentedImages { logits: (&nan).into(), labels: (&[0; 6]).into(), ..good },
            "logit NaN at row 5, class 0: expected a finite number",
        ),
        (
            SegmentedImages { logits: (&infinite).into(), ..good },
            "logit inf at row 2, class 1: expected a finite number",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(metrics.update(input).unwrap_err().to_string(), expected);
        assert_eq!(metrics, before);
    }
    let mut huge = zeros;
    huge[7] = 3e38;
    // Finite logits have a finite likelihood, however large. The label of one of the eight pixels
    // has a logit 3e38 below the top logit.
    let mut large = metrics.clone();
    large
        .update(SegmentedImages { logits: (&huge).into(), labels: (&[1; 6]).into(), ..good })
        .unwrap();
    let nll = large.value().unwrap().calibration.unwrap().nll;
    assert!((nll / (f64::from(3e38f32) / 8.0) - 1.0).abs() < 1e-9, "{nll}");

    // The logits of void pixels are arbitrary.
    nan[8] = 0.0;
    nan[6] = f32::NAN;
    metrics.update(SegmentedImages { logits: (&nan).into(), ..good }).unwrap();
    assert_eq!((metrics.images(), metrics.pixels()), (3, 7));
    let nothing = SegmentedImages {
        logits: (&[0f32; 0]).into(),
        shape: [0, 2, 5, 5],
        labels: (&[0u32; 0]).into(),
        indices: &[],
    };
    let before = metrics.clone();
    metrics.update(nothing).unwrap();
    assert_eq!(metrics, before);
}

#[test]
fn wrong_settings_are_refused() {
    let message =
        |classes, settings| SegmentationMetrics::new(classes, settings).unwrap_err().to_string();
    let settings = SegmentationSettings::default();
    assert_eq!(
        message(4096, settings.clone()),
        "distance bands = 4 for 4096 classes: expected at most 2^24 / classes^2"
    );
    for classes in [0, 1] {
        assert_eq!(
            message(classes, settings.clone()),
            format!("classes = {classes}: expected from 2 to 4096")
        );
    }
    for bins in [0, 65_537] {
        let settings = SegmentationSettings { bins, ..settings.clone() };
        assert_eq!(message(2, settings), format!("bins = {bins}: expected from 1 to 65536"));
    }
    let one_band =
        SegmentationSettings { bands: DistanceBands::new(&[]).unwrap(), ..settings.clone() };
    assert!(message(4097, one_band.clone()).starts_with("distance bands = 1 for 4097 classes"));
    assert!(SegmentationMetrics::new(4096, one_band).is_ok());
    let many = SegmentationSettings { bins: 65_536, ..settings };
    assert!(message(21, many).starts_with("groups = 84: expected"));
}

/// Images with only void pixels are counted and skipped. Their metrics are undefined, never NaN.
#[test]
fn images_with_only_void_pixels_are_counted_and_skipped() {
    let mut metrics = metrics(3);
    let logits = [f32::NAN; 3 * 8];
    metrics
        .update(SegmentedImages {
            logits: (&logits).into(),
            shape: [2, 3, 2, 2],
            labels: (&[VOID; 8]).into(),
            indices: &[0, 1],
        })
        .unwrap();
    let report = metrics.value().unwrap();
    assert_eq!(
        (report.images, report.void_images, report.pixels, report.void_pixels),
        (2, 2, 0, 8)
    );
    assert!(report.overlap.is_none() && report.calibration.is_none() && report.image_ece.is_none());
    let published = report.published.as_ref().unwrap();
    assert_eq!((&published.calibration, published.batches, published.empty_batches), (&None, 0, 1));
    assert!(report.classes.iter().all(|class| class.iou.is_none() && class.ece.is_none()));
    assert!(
        report
            .bands
            .iter()
            .all(|band| band.pixels == 0 && band.ece.is_none() && band.mean_iou.is_none())
    );
    assert!(report.by_image.iter().all(|image| image.ece.is_none()));
    assert!(metrics.reliability_of(0).is_none() && metrics.reliability_of(9).is_none());
    assert!(!serde_json::to_string(&report).unwrap().contains("NaN"));

    // They do not change the metrics of other images.
    let logits: Vec<f32> = (0..12).map(|i| (i * 5 % 7) as f32).collect();
    let one = SegmentedImages {
        logits: (&logits).into(),
        shape: [1, 3, 2, 2],
        labels: (&[0, 1, 2, 2]).into(),
        indices: &[2],
    };
    metrics.update(one).unwrap();
    let mut alone = self::metrics(3);
    alone.update(one).unwrap();
    let (with, alone) = (metrics.value().unwrap(), alone.value().unwrap());
    assert_eq!(
        (with.overlap, with.calibration, with.bands),
        (alone.overlap, alone.calibration, alone.bands)
    );
    assert_eq!(with.image_ece, alone.image_ece);
    // An image without pixels.
    metrics
        .update(SegmentedImages {
            logits: (&[0f32; 0]).into(),
            shape: [1, 3, 0, 2],
            labels: (&[0u32; 0]).into(),
            indices: &[3],
        })
        .unwrap();
    assert_eq!(metrics.value().unwrap().void_images, 3);
}

/// Tensors of every type, and views of larger tensors, give the same metrics as slices.
#[test]
fn tensors_are_their_slices() {
    let shape = [2, 3, 2, 4];
    let logits: Vec<f32> = (0..48).map(|i| (i * 31 % 17) as f32 / 4.0).collect();
    let labels: Vec<u32> = (0..16).map(|i| if i % 5 == 4 { VOID } else { i * 7 % 3 }).collect();
    let mut expected = metrics(3);
    expected
        .update(SegmentedImages {
            logits: (&logits).into(),
            shape,
            labels: (&labels).into(),
            indices: &[4, 9],
        })
        .unwrap();

    let device = &Device::Cpu;
    let tensor = Tensor::from_slice(&logits, &shape, device).unwrap();
    let map = Tensor::from_slice(&labels, (2, 2, 4), device).unwrap();
    // A tensor whose last dimension comes first in memory, and a slice of a larger tensor.
    let strided =
        tensor.permute((3, 0, 1, 2)).unwrap().contiguous().unwrap().permute((1, 2, 3, 0)).unwrap();
    let part =
        Tensor::cat(&[&tensor.zeros_like().unwrap(), &tensor], 0).unwrap().narrow(0, 2, 2).unwrap();
    for logits in [
        &tensor,
        &strided,
        &part,
        &tensor.to_dtype(DType::F64).unwrap(),
        &tensor.to_dtype(DType::BF16).unwrap(),
    ] {
        for labels in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64]
            .map(|dtype| map.to_dtype(dtype).unwrap())
        {
            let mut found = metrics(3);
            found.update_tensors(logits, &labels, &[4, 9]).unwrap();
            assert_eq!(found, expected);
        }
    }
    let refused = |logits: &Tensor, labels: &Tensor| {
        metrics(3).update_tensors(logits, labels, &[0, 1]).unwrap_err().to_string()
    };
    let flat = tensor.flatten_all().unwrap();
    assert_eq!(refused(&flat, &map), "logits: expected [N, C, H, W], found [48]");
    assert_eq!(
        refused(&tensor, &map.narrow(1, 0, 1).unwrap()),
        "labels: expected [2, 2, 4], found [2, 1, 4]"
    );
    assert_eq!(
        refused(&tensor, &map.to_dtype(DType::F32).unwrap()),
        "labels: expected an integer type, found f32"
    );
    // PyTorch's -100 as void, if the settings declare it.
    let signed = map.to_dtype(DType::I64).unwrap();
    let void = signed.eq(i64::from(VOID)).unwrap();
    let unlabelled =
        void.where_cond(&Tensor::full(-100i64, (2, 2, 4), device).unwrap(), &signed).unwrap();
    let settings = SegmentationSettings { void: vec![-100], ..Default::default() };
    let (mut found, expected) = (SegmentationMetrics::new(3, settings).unwrap(), expected.value());
    found.update_tensors(&tensor, &unlabelled, &[4, 9]).unwrap();
    assert_eq!(found.value(), expected);
    assert_eq!(
        refused(&tensor, &unlabelled),
        "label -100 at row 4 is out of range: the logits have 3 classes"
    );
    let negative = (map.to_dtype(DType::I64).unwrap() - 100.0).unwrap();
    assert_eq!(
        refused(&tensor, &negative),
        "label -100 at row 0 is out of range: the logits have 3 classes"
    );
}
