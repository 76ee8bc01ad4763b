//! Arguments of the kernels of pools and resampling: sizes, and ranges along both axes.

use crate::shape::Planes;
use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
use candle_core::{Result, bail};
use std::ops::Range;

/// `Planes` in the kernel source.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Sizes {
    planes: u64,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
}

// SAFETY: plain numbers with the layout of the kernel source: the same fields in the same order,
// `repr(C)`, the same size.
unsafe impl DeviceRepr for Sizes {}

/// The kernel source asserts the same size.
const _: () = assert!(size_of::<Sizes>() == 24);

impl Sizes {
    /// Creates the sizes of planes that map `input` rows and columns to `output` rows and columns.
    pub(super) fn new(planes: usize, input: [usize; 2], output: [usize; 2]) -> Result<Self> {
        // Kernels index the entries of a plane with 32 bits.
        for plane in [input, output] {
            if plane[0].checked_mul(plane[1]).is_none_or(|entries| u32::try_from(entries).is_err())
            {
                bail!("a plane of {} x {} entries, expected at most 2^32 - 1", plane[0], plane[1]);
            }
        }
        let [height, width] = input.map(|size| size as u32);
        let [out_height, out_width] = output.map(|size| size as u32);
        Ok(Self { planes: planes as u64, height, width, out_height, out_width })
    }

    /// Returns the number of entries of all input planes.
    pub(super) fn inputs(&self) -> usize {
        self.planes as usize * self.height as usize * self.width as usize
    }

    /// Returns the number of entries of all output planes.
    pub(super) fn outputs(&self) -> usize {
        self.planes as usize * self.out_height as usize * self.out_width as usize
    }
}

/// Uploads `Ranges` of the kernel source for every position.
pub(super) fn upload(
    device: &CudaDevice,
    ranges: &Planes<Vec<Range<usize>>>,
) -> Result<CudaSlice<u32>> {
    let mut table = Vec::with_capacity(2 * (ranges.rows.len() + ranges.columns.len()));
    for axis in [&ranges.rows, &ranges.columns] {
        table.extend(axis.iter().map(|range| range.start as u32));
        table.extend(axis.iter().map(|range| range.end as u32));
    }
    device.clone_htod(&table)
}
