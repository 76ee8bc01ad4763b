//! Shapes, settings, dropout and training of the networks.

use super::{noise, tiny_networks};
use candle_core::{DType, Device, IndexOp, Result, Tensor};
use candle_nn::ModuleT;
use mbls_core::loss::{LogitBatch, LossSpec};
use mbls_nn::{Dropout, OptimizerConfig, ParamStore, SgdConfig};
use mbls_seg::model::{
    Architecture, DROPOUT, DeepLabV3, DeepLabV3Config, DeepLabV3Plus, DeepLabV3PlusConfig, Network,
    Options, Origin, UNet, UNetConfig,
};
use std::error::Error;

fn store() -> ParamStore {
    ParamStore::new(1, DType::F32, &Device::Cpu)
}

fn images(shape: &[usize]) -> Result<Tensor> {
    noise(shape, 5).to_dtype(DType::F32)
}

#[test]
fn training_steps_reach_every_parameter_and_lower_the_loss()
-> std::result::Result<(), Box<dyn Error>> {
    for name in ["deeplabv3-r18", "deeplabv3plus-r18", "unet-r18"] {
        let (store, network) = (store(), name.parse::<Architecture>()?.network(3, 3)?);
        let model = network.build(Options::default(), store.var_builder())?;
        let images = images(&[2, 3, 32, 40])?;
        // The labels are a function of the image; one row is not labelled.
        let bright = images.i((.., 0))?.gt(0f32)?.to_dtype(DType::U32)?;
        let unlabelled = Tensor::full(255u32, (2, 1, 40), &Device::Cpu)?;
        let labels = Tensor::cat(&[&bright.narrow(1, 0, 31)?, &unlabelled], 1)?;
        let loss = LossSpec::margin(6.0, 0.1).build()?;
        let sgd = SgdConfig { momentum: 0.9, ..Default::default() };
        let mut optimizer = OptimizerConfig::Sgd(sgd).build(store.parameters())?;
        let mut values = Vec::new();
        for _ in 0..6 {
            let logits = model.forward_t(&images, true)?;
            let output = loss.forward(&LogitBatch::new(&logits, &labels, Some(255))?)?;
            let gradients = output.total.backward()?;
            for (name, var) in store.parameters() {
                let gradient =
                    gradients.get(&var).unwrap_or_else(|| panic!("{name} has no gradient"));
                let size = gradient.abs()?.max_all()?.to_scalar::<f32>()?;
                assert!(size > 0.0 && size.is_finite(), "{name}: {size}");
            }
            optimizer.step(&gradients, 0.02)?;
            values.push(output.total.to_scalar::<f32>()?);
        }
        println!("{name}: {values:?}");
        assert!(values[5] < 0.9 * values[0], "{name}: {values:?}");
        let logits = model.forward_t(&images, false)?;
        assert!(logits.abs()?.max_all()?.to_scalar::<f32>()?.is_finite());
    }
    Ok(())
}

#[test]
fn logits_have_the_size_of_any_image() -> Result<()> {
    for network in tiny_networks() {
        let model = network.build(Options::default(), store().var_builder())?;
        for size in [[1, 1], [2, 9], [17, 31], [32, 16]] {
            let logits = model.forward_t(&images(&[2, 1, size[0], size[1]])?, false)?;
            assert_eq!(logits.dims(), [2, 2, size[0], size[1]]);
        }
        for shape in [&[2, 3, 8, 8][..], &[1, 8, 8]] {
            let error = model.forward_t(&images(shape)?, false).unwrap_err().to_string();
            assert!(error.contains("expected [N, 1, H, W]"), "{error}");
        }
    }
    Ok(())
}

#[test]
fn output_strides_have_the_rates_of_the_papers_and_of_the_originals() -> Result<()> {
    for origin in [Origin::Smp, Origin::SmpSequential, Origin::Torchvision] {
        let config = DeepLabV3Config::new(origin, 50, 21)?;
        assert_eq!((&config.aspp.rates[..], config.aspp.channels), (&[12, 24, 36][..], 256));
        let wide = config.clone().with_output_stride(16)?;
        assert_eq!(wide.aspp.rates, [6, 12, 18]);
        assert_eq!(wide.with_output_stride(8)?, config);
    }
    let config = DeepLabV3PlusConfig::new(50, 21)?;
    assert_eq!(
        (&config.aspp.rates[..], config.aspp.separable, config.low_level),
        (&[12, 24, 36][..], true, 48)
    );
    assert_eq!(config.clone().with_output_stride(8)?.with_output_stride(16)?, config);
    // The output stride determines the size of the feature maps.
    for (config, rows) in [
        (DeepLabV3Config::new(Origin::Smp, 18, 2)?, 8),
        (DeepLabV3Config::new(Origin::Smp, 18, 2)?.with_output_stride(16)?, 4),
    ] {
        let encoder =
            mbls_vision::model::ResNetEncoder::new(&config.encoder, store().var_builder())?;
        assert_eq!(encoder.forward_t(&images(&[1, 3, 64, 64])?, false)?.dims()[2], rows);
    }
    Ok(())
}

/// Returns the error message of a result, if it is an error.
fn message<T, E: std::fmt::Display>(result: std::result::Result<T, E>) -> Option<String> {
    result.err().map(|error| error.to_string())
}

#[test]
fn settings_out_of_range_are_named() -> Result<()> {
    let deeplab = || DeepLabV3Config::new(Origin::Smp, 18, 2);
    let mut cases = Vec::new();
    let mut case = |change: &dyn Fn(&mut DeepLabV3Config), expected: &'static str| -> Result<()> {
        let mut config = deeplab()?;
        change(&mut config);
        cases.push((message(DeepLabV3::new(config, store().var_builder())), expected));
        Ok(())
    };
    case(&|c| c.classes = 0, "DeepLabV3: classes = 0, expected 1 to 65536")?;
    case(&|c| c.aspp.channels = 0, "DeepLabV3: channels = 0")?;
    case(&|c| c.aspp.rates = vec![], "DeepLabV3: rates = [], expected 1 to 16")?;
    case(&|c| c.aspp.rates = vec![1, usize::MAX], "DeepLabV3: a rate = 18446744073709551615")?;
    case(&|c| c.encoder.in_channels = 0, "in_channels = 0")?;
    case(&|c| c.auxiliary = true, "DeepLabV3: auxiliary = true with names of Smp")?;
    let plus = |change: fn(&mut DeepLabV3PlusConfig)| {
        let mut config = DeepLabV3PlusConfig::new(18, 2).expect("settings in range");
        change(&mut config);
        message(DeepLabV3Plus::new(config, store().var_builder()))
    };
    cases.push((plus(|c| c.low_level = 0), "DeepLabV3+: low_level = 0"));
    cases.push((plus(|c| c.classes = 1 << 17), "DeepLabV3+: classes = 131072"));
    cases.push((
        message(DeepLabV3PlusConfig::new(18, 2)?.with_output_stride(32)),
        "output_stride = 32, expected 8 or 16",
    ));
    cases.push((message(deeplab()?.with_output_stride(0)), "output_stride = 0, expected 8 or 16"));
    cases.push((message(DeepLabV3Config::new(Origin::Smp, 19, 2)), "depth = 19"));
    let unet = |decoder: Vec<usize>| {
        let config = UNetConfig { decoder, ..UNetConfig::new(18, 2).expect("settings in range") };
        message(UNet::new(config, store().var_builder()))
    };
    cases.push((
        unet(vec![8; 4]),
        "U-Net: decoder = [8, 8, 8, 8], expected 5 blocks on 4 stages and a stem",
    ));
    cases.push((unet(vec![8, 8, 0, 8, 8]), "U-Net: a decoder's channels = 0"));
    let options = Options { dropout: Some(Dropout::new(0.5, 1)?) };
    let network = Network::UNet(UNetConfig::new(18, 2)?);
    cases.push((
        message(network.build(options, store().var_builder())),
        "U-Net: dropout = given, expected none",
    ));
    let model = DeepLabV3::new(deeplab()?, store().var_builder())?;
    cases.push((
        message(model.forward_with_auxiliary(&images(&[1, 3, 8, 8])?, false)),
        "no auxiliary classifier",
    ));
    // With one image, the pooled branch of the pyramid has no variance.
    cases.push((
        message(model.forward_t(&images(&[1, 3, 64, 64])?, true)),
        "more than one value per channel",
    ));
    for (found, expected) in cases {
        let error = found.expect(expected);
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    Ok(())
}

#[test]
fn dropout_lies_between_the_pyramid_and_what_follows() -> Result<()> {
    for network in tiny_networks() {
        let Some(p) = network.dropout() else { continue };
        assert_eq!(p, DROPOUT);
        // With a dropout of 1, the logits do not depend on the pyramid, which is the only input of
        // the classifier in DeepLabV3.
        let store = store();
        let all = Options { dropout: Some(Dropout::new(1.0, 7)?) };
        let model = network.clone().build(all, store.var_builder())?;
        let plain = network.clone().build(Options::default(), store.var_builder())?;
        let images = images(&[2, 1, 16, 24])?;
        let spread = |logits: &Tensor| -> Result<f32> {
            let first = logits.i((.., .., 0..1, 0..1))?;
            logits.broadcast_sub(&first)?.abs()?.max_all()?.to_scalar()
        };
        let dropped = spread(&model.forward_t(&images, true)?)?;
        let kept = spread(&plain.forward_t(&images, true)?)?;
        match &network {
            // Up to rounding in the upsampling.
            Network::DeepLabV3(_) => assert!(dropped < 1e-6 && kept > 0.1, "{dropped}, {kept}"),
            _ => assert!(dropped > 0.0 && dropped != kept, "{dropped}, {kept}"),
        }
        let values =
            |model: &dyn ModuleT| model.forward_t(&images, false)?.flatten_all()?.to_vec1::<f32>();
        assert_eq!(values(&*model)?, values(&*plain)?);
        // A clone of the dropout shares the position of its masks.
        let dropout = Dropout::new(p, 7)?;
        let model =
            network.build(Options { dropout: Some(dropout.clone()) }, store.var_builder())?;
        let train =
            |model: &dyn ModuleT| model.forward_t(&images, true)?.flatten_all()?.to_vec1::<f32>();
        let first = train(&*model)?;
        assert_ne!(train(&*model)?, first);
        assert_eq!(dropout.position(), 2);
        dropout.set_position(0);
        assert_eq!(train(&*model)?, first);
    }
    Ok(())
}

#[test]
fn the_auxiliary_classifier_has_a_dropout_of_its_own() -> Result<()> {
    let configs = tiny_networks().into_iter().filter_map(|network| match network {
        Network::DeepLabV3(config) if config.auxiliary => Some(config),
        _ => None,
    });
    for config in configs {
        let (store, images) = (store(), images(&[2, 1, 16, 24])?);
        let plain = DeepLabV3::new(config.clone(), store.var_builder())?;
        let model = DeepLabV3::new(config, store.var_builder())?
            .with_auxiliary_dropout(Dropout::new(1.0, 3)?);
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let [logits, auxiliary] = model.forward_with_auxiliary(&images, true)?;
        let [expected, other] = plain.forward_with_auxiliary(&images, true)?;
        assert_eq!(values(&logits)?, values(&expected)?);
        assert_ne!(values(&auxiliary)?, values(&other)?);
        // Only the bias is left, which is the same for every pixel.
        let bias = store.state()["aux_classifier.4.bias"].reshape((1, 2, 1, 1))?;
        assert_eq!(
            values(&auxiliary)?,
            values(&bias.broadcast_as(auxiliary.shape())?.contiguous()?)?
        );
    }
    Ok(())
}
