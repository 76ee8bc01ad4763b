//! Files of a network's weights, written atomically.

use candle_core::{DType, Device, Tensor};
use candle_nn::Init;
use mbls_io::atomic;
use mbls_nn::{BatchNorm1d, BatchNormConfig, Checkpoint, Fit, Linear, ParamStore, Result};

fn network(seed: u64, dtype: DType) -> Result<ParamStore> {
    let store = ParamStore::new(seed, dtype, &Device::Cpu);
    Linear::new(3, 2, store.var_builder().pp("fc"))?;
    let config = BatchNormConfig { momentum: None, ..Default::default() };
    BatchNorm1d::with_config(2, config, store.var_builder().pp("bn"))?;
    Ok(store)
}

fn values(store: &ParamStore) -> Result<Vec<Vec<f64>>> {
    let values = |t: Tensor| t.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
    Ok(store.state().into_values().map(values).collect::<candle_core::Result<_>>()?)
}

#[test]
fn what_is_saved_is_read_again() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16] {
        let (saved, other) = (network(1, dtype)?, network(2, dtype)?);
        assert_ne!(values(&saved)?, values(&other)?);
        // The second time overwriting the file of another type.
        saved.save(&path)?;
        assert_eq!(std::fs::read(&path).unwrap(), saved.to_safetensors()?);
        let report = other.load(&Checkpoint::read(&path)?, Fit::Strict)?;
        assert!(report.fits() && report.loaded.len() == 7, "{report}");
        assert_eq!(values(&saved)?, values(&other)?);
        // Nothing else is left in the directory.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    Ok(())
}

#[test]
fn a_write_that_fails_names_the_file_and_leaves_the_old_one() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let store = network(1, DType::F32)?;
    store.save(&path)?;
    let old = std::fs::read(&path).unwrap();
    // A directory at the path of the temporary file.
    let temporary = folder.path().join("file.tmp");
    std::fs::create_dir(&temporary).unwrap();
    let error = atomic::write(&path, b"new").unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("file.tmp"), "{error}");
    let error = network(2, DType::F32)?.save(&path).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("file.tmp"), "{error}");
    std::fs::remove_dir(&temporary).unwrap();
    // A tensor that cannot be written fails before anything is written.
    store.var_builder().get_with_hints(1, "__metadata__", Init::Const(0.0))?;
    let error = store.save(&path).unwrap_err().to_string();
    assert!(error.contains("__metadata__"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), old);
    assert!(!temporary.exists());
    // A directory at the path of the file, and a directory that does not exist.
    let error = atomic::write(folder.path(), b"new").unwrap_err().to_string();
    let name = folder.path().display().to_string();
    assert!(error.starts_with("cannot replace") && error.contains(&name), "{error}");
    assert!(!folder.path().with_extension("tmp").exists());
    let error =
        atomic::write(&folder.path().join("none").join("file"), b"new").unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("none"), "{error}");
    Ok(())
}

/// A killed process leaves part of the temporary file, and the next one overwrites it.
#[test]
fn what_a_killed_process_left_is_overwritten() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(folder.path().join("file.tmp"), vec![7; 1 << 16]).unwrap();
    atomic::write(&path, b"whole")?;
    assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    Ok(())
}
