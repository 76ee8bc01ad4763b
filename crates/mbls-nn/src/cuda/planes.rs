//! What kernels of pools and resampling take: sizes, and ranges along both axes.

use crate::shape::Planes;
use candle_core::cuda_backend::CudaDevice;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, DeviceRepr};
use candle_core::{Result, bail};
use std::ops::Range;

/// `Planes` of the source.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Sizes {
    planes: u64,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
}

// SAFETY: plain numbers, laid out as in the source: the same fields in the same order, `repr(C)`,
// the same size.
unsafe impl DeviceRepr for Sizes {}

/// The source asserts the same.
const _: () = assert!(size_of::<Sizes>() == 24);

impl Sizes {
    /// Planes of `input` rows and columns that become `output` rows and columns.
    pub(super) fn new(planes: usize, input: [usize; 2], output: [usize; 2]) -> Result<Self> {
        // Kernels count the places of a plane in 32 bits.
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

    /// The numbers of all planes before.
    pub(super) fn inputs(&self) -> usize {
        self.planes as usize * self.height as usize * self.width as usize
    }

    /// The numbers of all planes after.
    pub(super) fn outputs(&self) -> usize {
        self.planes as usize * self.out_height as usize * self.out_width as usize
    }
}

/// `Ranges` of the source for every position.
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
