//! The first test images beside their masks and what networks made of them.

use super::evaluate::map_name;
use super::evaluation::EvaluationFile;
use crate::results::Cell;
use crate::spec::Suite;
use anyhow::{Context, Result};
use mbls_report::{EmbeddedImage, Gallery, GalleryRow, ImageFormat};
use mbls_seg::metric::{map_preview, photo_preview};
use std::path::Path;

/// Images that are shown, at most.
const MOST_IMAGES: usize = 4;
/// The longer side of an image of the page.
const LONGEST: u32 = 320;
/// Bytes of all images together, of which the page's are four thirds.
const MOST_BYTES: usize = 4 << 20;

/// The maps that the runs of the first seed have left, beside image and mask; `None` where they
/// have left none.
///
/// # Errors
///
/// Evaluations or maps that cannot be read.
pub(super) fn gallery(suite: &Suite, cells: &[&Cell], out: &Path) -> Result<Option<Gallery>> {
    let Some(first) = cells.first() else { return Ok(None) };
    let names = EvaluationFile::read(&first.key.folder(out).join("evaluation.json"))?.names;
    let drawn = suite.recipe.segmentation()?.maps.min(names.len());
    let mut rows = Vec::new();
    let (mut bytes, mut shown, mut missing) = (0, 0, 0);
    for name in names.iter().take(drawn.min(MOST_IMAGES)) {
        let Some(of_image) = rows_of(name, suite, cells, first.key.seed, out)? else {
            missing += 1;
            continue;
        };
        let size: usize =
            of_image.iter().flat_map(|row| &row.images).map(|image| image.bytes.len()).sum();
        if bytes + size > MOST_BYTES {
            break;
        }
        bytes += size;
        shown += 1;
        rows.extend(of_image);
    }
    let mut note = format!(
        "The first {shown} of {} test images, with the networks of seed {}; images of more than {LONGEST} pixels are shrunk. In the \
         map of confidences white is sure, in that of errors white is wrong; void is transparent.",
        names.len(),
        first.key.seed
    );
    if shown + missing < drawn.min(MOST_IMAGES) {
        note.push_str(&format!(
            " Others are left out, because all would be more than {} MiB.",
            MOST_BYTES >> 20
        ));
    } else if drawn > MOST_IMAGES {
        note.push_str(&format!(" All {drawn} are in the folders \"maps\" of the runs."));
    }
    if missing > 0 {
        note.push_str(&format!(
            " {missing} are missing: runs of earlier versions have drawn no images."
        ));
    }
    let title = "Test images".to_owned();
    Ok((!rows.is_empty()).then_some(Gallery { title, note, rows }))
}

/// Image and mask, then a row for each loss; `None` where a run has not drawn them.
fn rows_of(
    name: &str,
    suite: &Suite,
    cells: &[&Cell],
    seed: u64,
    out: &Path,
) -> Result<Option<Vec<GalleryRow>>> {
    let mut rows = Vec::new();
    for loss in &suite.loss {
        let Some(cell) =
            cells.iter().find(|cell| cell.key.loss == loss.id && cell.key.seed == seed)
        else {
            continue;
        };
        let folder = cell.key.folder(out).join("maps");
        let read = |map: &str| -> Result<Option<Vec<u8>>> {
            let path = folder.join(format!("{}.{map}.png", map_name(name)));
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
        };
        let shown = |map: &str| -> Result<Option<EmbeddedImage>> {
            let Some(png) = read(map)? else { return Ok(None) };
            let (format, preview) = match map {
                "image" => (ImageFormat::Jpeg, photo_preview(&png, LONGEST)),
                _ => (ImageFormat::Png, map_preview(&png, LONGEST)),
            };
            let bytes = preview
                .with_context(|| format!("the map {map} of {name} in {}", folder.display()))?;
            Ok(Some(EmbeddedImage { caption: map.to_owned(), format, bytes }))
        };
        let row = |title: String, maps: &[&str]| -> Result<Option<GalleryRow>> {
            let images = maps.iter().map(|map| shown(map)).collect::<Result<Option<Vec<_>>>>()?;
            Ok(images.map(|images| GalleryRow { title, images }))
        };
        if rows.is_empty() {
            let Some(image) = row(name.to_owned(), &["image", "mask"])? else { return Ok(None) };
            rows.push(image);
        }
        let maps =
            row(format!("{name}: {}", loss.heading()), &["prediction", "confidence", "errors"])?;
        let Some(maps) = maps else { return Ok(None) };
        rows.push(maps);
    }
    Ok(Some(rows))
}
