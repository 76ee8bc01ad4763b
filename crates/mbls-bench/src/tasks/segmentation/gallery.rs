//! A gallery of the first test images with their masks and predictions.

use super::evaluate::map_name;
use super::evaluation::EvaluationFile;
use crate::results::Cell;
use crate::spec::Suite;
use anyhow::{Context, Result};
use mbls_report::{EmbeddedImage, Gallery, GalleryRow, ImageFormat};
use mbls_seg::metric::{map_preview, photo_preview};
use std::path::Path;

/// The maximum number of images shown.
const MOST_IMAGES: usize = 4;
/// The maximum length of an image's longer side, in pixels.
const LONGEST: u32 = 320;
/// The maximum size of all images in bytes; embedded as base64 they take 4/3 of it.
const MOST_BYTES: usize = 4 << 20;

/// Returns the images, masks and maps drawn by the runs of the first seed; `None` if there are
/// none.
///
/// # Errors
///
/// If evaluations or maps cannot be read.
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
        "The first {shown} of {} test images, with the networks of seed {}; images larger than {LONGEST} pixels are downscaled. In the \
         confidence map white is confident, in the error map white is wrong; void is transparent.",
        names.len(),
        first.key.seed
    );
    if shown + missing < drawn.min(MOST_IMAGES) {
        note.push_str(&format!(" Others are omitted to stay below {} MiB.", MOST_BYTES >> 20));
    } else if drawn > MOST_IMAGES {
        note.push_str(&format!(" All {drawn} are in the folders \"maps\" of the runs."));
    }
    if missing > 0 {
        note.push_str(&format!(
            " {missing} are missing: runs of earlier versions did not draw images."
        ));
    }
    let title = "Test images".to_owned();
    Ok((!rows.is_empty()).then_some(Gallery { title, note, rows }))
}

/// Returns a row of image and mask, then a row per loss; `None` if a run has not drawn them.
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
