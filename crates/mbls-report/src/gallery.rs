//! Images shown side by side, embedded in the page.

use crate::base64::base64;
use crate::escape;

/// Images of a few samples. They are embedded as data URIs, so the page stays a single file; it
/// grows by 4/3 of the images' size.
#[derive(Clone, Debug, PartialEq)]
pub struct Gallery {
    /// The heading.
    pub title: String,
    /// Explains what the images show and what is omitted.
    pub note: String,
    /// One row for each sample or loss.
    pub rows: Vec<GalleryRow>,
}

/// A group of images shown side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct GalleryRow {
    /// A description of the images.
    pub title: String,
    /// The images from left to right.
    pub images: Vec<EmbeddedImage>,
}

/// An image file with a caption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedImage {
    /// The caption.
    pub caption: String,
    /// The format of the file.
    pub format: ImageFormat,
    /// The contents of the file.
    pub bytes: Vec<u8>,
}

/// The format of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
}

impl Gallery {
    pub(crate) fn html(&self, id: &str) -> String {
        let mut html = format!(
            "<h3 id=\"{id}\">{}</h3>\n<p>{}</p>\n<div role=\"group\" aria-labelledby=\"{id}\">\n",
            escape::html(&self.title),
            escape::html(&self.note)
        );
        for row in &self.rows {
            html.push_str(&format!(
                "<div class=\"images\">\n<h4>{}</h4>\n",
                escape::html(&row.title)
            ));
            for image in &row.images {
                let (caption, title) = (escape::html(&image.caption), escape::html(&row.title));
                html.push_str(&format!(
                    "<figure><img alt=\"{caption} of {title}\" src=\"{}\"/><figcaption>{caption}</figcaption></figure>\n",
                    image.data_uri()
                ));
            }
            html.push_str("</div>\n");
        }
        html.push_str("</div>\n");
        html
    }
}

impl EmbeddedImage {
    fn data_uri(&self) -> String {
        let format = match self.format {
            ImageFormat::Png => "png",
            ImageFormat::Jpeg => "jpeg",
        };
        format!("data:image/{format};base64,{}", base64(&self.bytes))
    }
}
