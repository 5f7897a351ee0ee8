//! QR codes of short URLs, drawn as SVG and as PNG.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Smallest and largest picture, in pixels of a side.
pub(crate) const SIZE_PX: std::ops::RangeInclusive<u32> = 64..=2_048;
/// Widest quiet zone, in modules; the standard asks for four.
pub(crate) const MARGIN_MODULES_MAX: u32 = 20;

/// How much of the code may be hidden or dirty and it can still be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// 7 %.
    L,
    /// 15 %.
    M,
    /// 25 %.
    Q,
    /// 30 %.
    H,
}

/// How a code is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drawing {
    /// The picture's side, in pixels.
    pub(crate) size_px: u32,
    /// The quiet zone around the code, in modules.
    pub(crate) margin_modules: u32,
    /// How much damage it bears.
    pub(crate) level: Level,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            size_px: 256,
            margin_modules: 4,
            level: Level::M,
        }
    }
}

/// Why a code cannot be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QrError {
    /// No QR code holds this much text at this level.
    #[error("the short URL is too long for a QR code of this level")]
    TooMuchText,
    /// A module would be smaller than a pixel.
    #[error("the code and its margin need at least {px_min} pixels")]
    TooSmall {
        /// The least.
        px_min: u32,
    },
}

/// A code, ready to be drawn.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    modules: Vec<Color>,
    /// Of a side, without the margin.
    width: u32,
    drawing: Drawing,
}

impl Picture {
    /// The code of `text`.
    pub(crate) fn of(text: &str, drawing: Drawing) -> Result<Self, QrError> {
        let level = match drawing.level {
            Level::L => EcLevel::L,
            Level::M => EcLevel::M,
            Level::Q => EcLevel::Q,
            Level::H => EcLevel::H,
        };
        let code = QrCode::with_error_correction_level(text, level).map_err(|_| QrError::TooMuchText)?;
        let width = u32::try_from(code.width()).map_err(|_| QrError::TooMuchText)?;
        let picture = Self {
            modules: code.into_colors(),
            width,
            drawing,
        };
        let px_min = picture.side_modules();
        if drawing.size_px < px_min {
            return Err(QrError::TooSmall { px_min });
        }
        Ok(picture)
    }

    /// Code and margin, in modules.
    fn side_modules(&self) -> u32 {
        self.width + 2 * self.drawing.margin_modules
    }

    /// `false` outside the code.
    fn is_dark(&self, x: u32, y: u32) -> bool {
        if x >= self.width || y >= self.width {
            return false;
        }
        let place = usize::try_from(y * self.width + x).unwrap_or(usize::MAX);
        self.modules.get(place) == Some(&Color::Dark)
    }

    /// Scales without blur to any size; one path, a rectangle for each run of dark modules.
    pub(crate) fn svg(&self) -> String {
        let (side, size_px) = (self.side_modules(), self.drawing.size_px);
        let mut path = String::new();
        for y in 0..self.width {
            let mut x = 0;
            while x < self.width {
                let run = (x..self.width).take_while(|x| self.is_dark(*x, y)).count();
                let run = u32::try_from(run).unwrap_or(self.width);
                if run > 0 {
                    let (left, top) = (x + self.drawing.margin_modules, y + self.drawing.margin_modules);
                    // Writing to a `String` cannot fail.
                    let _ = write!(path, "M{left} {top}h{run}v1h-{run}z");
                }
                x += run.max(1);
            }
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size_px}\" height=\"{size_px}\" viewBox=\"0 0 {side} {side}\" \
             shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>\n"
        )
    }

    /// Exactly as large as asked for: every module has the same whole number of pixels, and what is left over is margin.
    pub(crate) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let size = self.drawing.size_px;
        let scale = size / self.side_modules();
        let before = (size - scale * self.width) / 2;
        let row_bytes = size.div_ceil(8) as usize;
        let mut pixels = Vec::with_capacity(row_bytes * size as usize);
        for y in 0..size {
            let mut row = vec![0xff_u8; row_bytes];
            for x in 0..size {
                let module = |at: u32| at.checked_sub(before).map(|at| at / scale);
                if let (Some(x_module), Some(y_module)) = (module(x), module(y))
                    && self.is_dark(x_module, y_module)
                {
                    row[(x / 8) as usize] &= !(0x80 >> (x % 8));
                }
            }
            pixels.extend(row);
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size, size);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels)?;
        writer.finish()?;
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_that_would_have_modules_below_a_pixel_says_what_it_needs() {
        let drawing = Drawing {
            size_px: 64,
            margin_modules: 20,
            level: Level::H,
        };
        let text = "http://127.0.0.1:8080/".to_owned() + &"a".repeat(64);
        let Err(QrError::TooSmall { px_min }) = Picture::of(&text, drawing) else {
            panic!("41 modules and two margins of 20 do not fit 64 pixels");
        };
        let fits = Drawing {
            size_px: px_min,
            ..drawing
        };
        assert!(Picture::of(&text, fits).is_ok());
        assert_eq!(
            Picture::of(&"a".repeat(3_000), Drawing::default()).err(),
            Some(QrError::TooMuchText)
        );
    }
}
