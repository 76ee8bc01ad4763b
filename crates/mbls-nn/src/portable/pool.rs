//! Pooling as a loop over the offsets of the window.

use crate::shape::{Planes, Spans, output_shape};
use candle_core::{Result, Tensor};

pub(crate) fn max_pool(x: &Tensor, planes: Planes<Spans>) -> Result<Tensor> {
    Ok(max_pool_with_indices(x, planes)?.0)
}

pub(crate) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    x.mean((2, 3))
}

pub(crate) fn max_pool_with_indices(x: &Tensor, p: Planes<Spans>) -> Result<(Tensor, Tensor)> {
    let (n, c) = (x.dim(0)?, x.dim(1)?);
    let (rows, columns) = (p.rows.output(), p.columns.output());
    let planes = x.reshape((n, c, p.rows.input, p.columns.input))?;
    let mut best: Option<(Tensor, Tensor)> = None;
    // A shorter span repeats its last entry, which changes neither a first maximum nor a last NaN.
    for i in 0..p.rows.longest() {
        let row = p.rows.entry(i);
        let band = planes.index_select(&Tensor::new(row.as_slice(), x.device())?, 2)?;
        for j in 0..p.columns.longest() {
            let column = p.columns.entry(j);
            let new = band.index_select(&Tensor::new(column.as_slice(), x.device())?, 3)?;
            let at: Vec<u32> = row
                .iter()
                .flat_map(|r| column.iter().map(move |c| r * p.columns.input as u32 + c))
                .collect();
            let at = Tensor::from_vec(at, (1, 1, rows, columns), x.device())?
                .broadcast_as(new.shape())?
                .contiguous()?;
            best = Some(match best {
                None => (new, at),
                Some((best, place)) => {
                    // At most one of the two is 1, because comparisons with NaN are false.
                    let better = (new.gt(&best)? + new.ne(&new)?)?;
                    (better.where_cond(&new, &best)?, better.where_cond(&at, &place)?)
                }
            });
        }
    }
    let (y, place) = best.ok_or_else(|| candle_core::Error::Msg("max pool: no window".into()))?;
    let shape = output_shape(x, rows, columns);
    Ok((y.reshape(shape.as_slice())?, place.reshape(shape)?))
}
