//! Pictures of links, read back by a decoder that is not the encoder's.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service};

async fn picture(service: &Service, code: &str, query: &str) -> Answer {
    let path = format!("/v1/links/{code}/qr?{query}");
    service.send(Method::GET, &path, &Value::Null).await
}

/// What stands in a picture of dark and light, and the level it was written at.
fn read(size: usize, is_dark: impl Fn(usize, usize) -> bool) -> (String, u16) {
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(size, size, |x, y| if is_dark(x, y) { 0 } else { 255 });
    let grids = image.detect_grids();
    assert_eq!(grids.len(), 1, "one code in the picture");
    let (meta, text) = grids[0].decode().unwrap();
    (text, meta.ecc_level)
}

/// The pixels of a PNG: one bit each, dark or light.
fn png_pixels(file: &[u8]) -> (usize, impl Fn(usize, usize) -> bool) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let frame = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(frame.width, frame.height);
    let (size, row) = (frame.width as usize, frame.line_size);
    (size, move |x, y| pixels[y * row + x / 8] & (0x80 >> (x % 8)) == 0)
}

/// Draws the SVG's one path of unit rectangles, eight pixels a module.
fn svg_pixels(text: &str) -> (usize, impl Fn(usize, usize) -> bool + use<>) {
    const SCALE: usize = 8;
    let between = |from: &str, to: &str| {
        let rest = &text[text.find(from).unwrap() + from.len()..];
        rest[..rest.find(to).unwrap()].to_owned()
    };
    let side: usize = between("viewBox=\"0 0 ", " ").parse().unwrap();
    let mut dark = vec![false; side * side];
    let path = between("<path d=\"", "\"");
    for rectangle in path.split_terminator('z') {
        let numbers: Vec<usize> = rectangle
            .split(|c: char| !c.is_ascii_digit())
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().unwrap())
            .collect();
        let [x, y, run, 1, back] = numbers[..] else {
            panic!("another form of rectangle: {rectangle}");
        };
        assert_eq!(run, back);
        dark[y * side + x..y * side + x + run].fill(true);
    }
    (side * SCALE, move |x, y| dark[y / SCALE * side + x / SCALE])
}

#[tokio::test]
async fn both_pictures_lead_to_the_short_url_at_every_level_and_size() {
    let service = Service::start().await;
    let longest = "q".repeat(64);
    for alias in ["abc", longest.as_str()] {
        let made = service
            .make(json!({"url": "https://example.com/", "alias": alias}))
            .await;
        let short_url = made["short_url"].as_str().unwrap();
        for (level, number) in [("L", 1), ("M", 0), ("Q", 3), ("H", 2)] {
            for size in [128, 331, 1024] {
                let asked = format!("format=png&level={level}&size={size}");
                let png = picture(&service, alias, &asked).await;
                assert_eq!(
                    (png.status, png.header("content-type")),
                    (200, Some("image/png")),
                    "{png:?}"
                );
                let (width, pixels) = png_pixels(&png.body);
                assert_eq!(width, size);
                assert_eq!(read(width, pixels), (short_url.to_owned(), number), "{asked}");
            }
            let svg = picture(&service, alias, &format!("level={level}&margin=6")).await;
            assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
            let (width, pixels) = svg_pixels(svg.text());
            assert_eq!(read(width, pixels), (short_url.to_owned(), number));
        }
    }
}

#[tokio::test]
async fn the_margin_is_as_wide_as_asked_for() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "abc"}))
        .await;
    for margin in [0, 1, 10] {
        let svg = picture(&service, "abc", &format!("margin={margin}")).await;
        let text = svg.text().to_owned();
        let (size, is_dark) = svg_pixels(&text);
        let edge = margin * 8;
        assert!(is_dark(edge, edge), "a finder pattern is in each corner but one");
        let in_margin = |x, y| x < edge || y < edge || x >= size - edge || y >= size - edge;
        let dirty = (0..size).any(|x| (0..size).any(|y| in_margin(x, y) && is_dark(x, y)));
        assert!(!dirty, "margin {margin}");
    }
}

#[tokio::test]
async fn what_cannot_be_drawn_is_refused_and_nobody_sees_another_tenants_picture() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "abc"}))
        .await;
    for query in [
        "format=gif",
        "format=PNG",
        "size=63",
        "size=2049",
        "size=many",
        "margin=21",
        "margin=-1",
        "level=X",
        "size=64&margin=20",
    ] {
        let refused = picture(&service, "abc", query).await;
        assert_eq!(refused.status, 422, "{query}");
        assert_eq!(refused.code(), "invalid_request", "{query}");
    }
    assert_eq!(picture(&service, "other", "").await.status, 404);
    let path = "/v1/links/abc/qr";
    let foreign = service
        .send_as(&service.token("globex"), Method::GET, path, &Value::Null)
        .await;
    assert_eq!(foreign.status, 404);
    assert_eq!(service.get(path).await.status, 401);
    let writer = service.token_for("acme", "ada", "links:write");
    assert_eq!(
        service
            .send_as(&writer, Method::GET, path, &Value::Null)
            .await
            .status,
        403
    );
}
