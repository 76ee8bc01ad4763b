use anyhow::{Result, ensure};
use mbls_io::atomic;
use std::path::Path;

/// Writes probabilities `[rows, classes]` as an `.npy` file of f64.
pub(crate) fn write_npy(path: &Path, probs: &[f64], classes: usize) -> Result<()> {
    ensure!(
        path.extension().is_some_and(|ending| ending == "npy"),
        "--out {}: expected a name that ends with .npy",
        path.display()
    );
    let rows = probs.len() / classes;
    let mut header =
        format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows}, {classes}), }}");
    // The elements begin at a multiple of 64 bytes, after 10 bytes and a line end.
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(probs.iter().flat_map(|prob| prob.to_le_bytes()));
    atomic::write(path, &file)?;
    Ok(())
}
