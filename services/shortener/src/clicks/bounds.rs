//! How large events become.

/// How large one event may become.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "they are bounds")]
pub(crate) struct EventBounds {
    /// Most clicks that are not alike.
    pub clicks_max: usize,
    /// Most links.
    pub links_max: usize,
    /// Most kinds of visits.
    pub kinds_max: usize,
    /// Most traces.
    pub traces_max: usize,
}

impl EventBounds {
    /// The largest event within them, as JSON: the longest tenants, codes and referrers, and no two clicks alike.
    pub(crate) fn bytes_max(&self) -> usize {
        const EVENT: usize = 128;
        const LINK: usize = 224;
        const CLICK: usize = 48;
        const KIND: usize = 192;
        const TRACE: usize = 60;
        [
            (self.links_max, LINK),
            (self.clicks_max, CLICK),
            (self.kinds_max, KIND),
            (self.traces_max, TRACE),
        ]
        .iter()
        .fold(EVENT, |sum, (most, bytes)| {
            sum.saturating_add(most.saturating_mul(*bytes))
        })
    }
}
