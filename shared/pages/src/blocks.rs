//! Building blocks of page bodies. All text is escaped by `maud`; nothing here needs a script.

use maud::{Markup, html};

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It worked.
    Good,
    /// It did not work.
    Bad,
    /// Neither.
    Plain,
}

/// A box with a heading. `id` names it for links and tests.
pub fn card(id: &str, title: &str, body: &Markup) -> Markup {
    html! {
        section.card id=(id) aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (title) }
            (body)
        }
    }
}

/// The opening of a page: its `h1`, a sentence or two, what one can do, and the orrery beside it.
pub fn hero(title: &str, lead: &str, actions: &Markup) -> Markup {
    html! {
        div.hero {
            div.words {
                h1 { (title) }
                p.lead { (lead) }
                div.actions { (actions) }
            }
            (orrery())
        }
    }
}

/// A message above the content; announced by screen readers (`alert` if bad, else `status`).
pub fn notice(tone: Tone, body: &Markup) -> Markup {
    let (class, role, word) = match tone {
        Tone::Good => ("notice good", "status", "Done"),
        Tone::Bad => ("notice bad", "alert", "Problem"),
        Tone::Plain => ("notice", "status", "Note"),
    };
    html! { div class=(class) role=(role) { strong { (word) ": " } (body) } }
}

/// What an input takes: decides the keyboard a phone shows and what the browser checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input {
    /// Any text.
    #[default]
    Text,
    /// A URL.
    Url,
    /// Local date and time.
    DateTime,
    /// A whole number above 0.
    Number,
    /// A secret that is about to be chosen: not shown while it is typed.
    NewPassword,
    /// What is looked for.
    Search,
    /// Text of several lines.
    Lines,
}

impl Input {
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::DateTime => "datetime-local",
            Self::Number => "number",
            Self::NewPassword => "password",
            Self::Search => "search",
            Self::Lines => "",
        }
    }
}

/// A labelled input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field<'a> {
    /// The visible label.
    pub label: &'a str,
    /// The name in the form; also its id.
    pub name: &'a str,
    /// What it takes.
    pub input: Input,
    /// What stands in it.
    pub value: &'a str,
    /// A line of help below it; empty for none.
    pub hint: &'a str,
    /// What is wrong with the value; empty if nothing.
    pub error: &'a str,
    /// Whether it must be filled.
    pub required: bool,
    /// A regular expression the browser checks before sending; empty for none.
    pub pattern: &'a str,
    /// The most characters; 0 for no limit.
    pub length_max: usize,
    /// The browser's `autocomplete`; empty for `off`.
    pub autocomplete: &'a str,
    /// Values that are offered while one types, each with a text that tells what it is; anything else may be typed too.
    pub offered: &'a [(String, String)],
}

/// Draws a labelled input with its hint and its error, both tied to it for screen readers.
pub fn field(field: &Field<'_>) -> Markup {
    let (hint, error) = (format!("{}-hint", field.name), format!("{}-error", field.name));
    let described = match (field.hint.is_empty(), field.error.is_empty()) {
        (true, true) => None,
        (false, true) => Some(hint.clone()),
        (true, false) => Some(error.clone()),
        (false, false) => Some(format!("{error} {hint}")),
    };
    let autocomplete = match (field.autocomplete, field.input) {
        ("", Input::NewPassword) => "new-password",
        ("", _) => "off",
        (given, _) => given,
    };
    let offered = (!field.offered.is_empty()).then(|| format!("{}-offered", field.name));
    html! {
        div.field {
            label for=(field.name) { (field.label) @if !field.required { span.optional { " (optional)" } } }
            @let length_max = (field.length_max > 0).then_some(field.length_max);
            @let invalid = (!field.error.is_empty()).then_some("true");
            @if field.input == Input::Lines {
                textarea id=(field.name) name=(field.name) rows="3" required[field.required] maxlength=[length_max]
                    aria-describedby=[described] aria-invalid=[invalid] { (field.value) }
            } @else {
                input type=(field.input.as_str()) id=(field.name) name=(field.name) value=(field.value)
                    autocomplete=(autocomplete) autocapitalize="none" spellcheck="false" required[field.required]
                    pattern=[(!field.pattern.is_empty()).then_some(field.pattern)]
                    min=[(field.input == Input::Number).then_some("1")]
                    list=[offered.as_deref()] maxlength=[length_max] aria-describedby=[described] aria-invalid=[invalid];
            }
            @if let Some(offered) = &offered {
                datalist id=(offered) { @for (value, text) in field.offered { option value=(value) { (text) } } }
            }
            @if !field.error.is_empty() { p.error id=(error) { (field.error) } }
            @if !field.hint.is_empty() { p.hint id=(hint) { (field.hint) } }
        }
    }
}

/// A labelled box to tick.
pub fn checkbox(label: &str, name: &str, value: &str, checked: bool) -> Markup {
    html! { label.check { input type="checkbox" name=(name) value=(value) checked[checked]; span { (label) } } }
}

/// What most people need not see, behind a line that opens it.
pub fn disclosure(id: &str, summary: &str, open: bool, body: &Markup) -> Markup {
    html! { details.more id=(id) open[open] { summary { (summary) } div.inside { (body) } } }
}

/// A button that copies `text`; it is there only where the page's [`script`] runs.
pub fn copy_button(text: &str, name: &str) -> Markup {
    html! { button.quiet.copy type="button" data-copy=(text) aria-label=(name) hidden { "Copy" } }
}

/// A script of ours. The page must allow it: [`Html::with_scripts`](crate::Html::with_scripts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Script {
    /// Makes [`copy_button`]s work.
    Copy,
    /// Keeps what is in an element with `data-live="URL"` as the server-sent events of that URL say: each event `part` is an
    /// `{id, markup}`. What is in it with `data-live-state` is shown while that works.
    Live,
}

/// Loads a script, as pages of `role` name it.
pub fn script(role: &str, script: Script) -> Markup {
    let file = match script {
        Script::Copy => "copy.js",
        Script::Live => "live.js",
    };
    html! { script type="module" src=(crate::assets::url(role, file)) {} }
}

/// Names with how often each was seen, each with a bar in proportion to the largest.
pub fn shares(caption: &str, rows: &[(String, u64)]) -> Markup {
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let percent = |count: u64| u128::from(count) * 100 / u128::from(most);
    html! {
        // A caption that is not shown would be a first row to the layout of the columns.
        table.plain.shares aria-label=(caption) {
            tbody {
                @for (name, count) in rows {
                    tr {
                        th scope="row" { (name) }
                        td { svg.share aria-hidden="true" focusable="false" { rect.s1 width=(format!("{}%", percent(*count))) height="100%" rx="2" {} } }
                        td.number { (count) }
                    }
                }
            }
        }
    }
}

/// The button that sends a form.
pub fn button(text: &str) -> Markup {
    html! { button type="submit" { (text) } }
}

/// A link that looks like a button.
pub fn link_button(href: &str, text: &str) -> Markup {
    html! { a.button href=(href) { (text) } }
}

/// Commands or output, each line a line. One click selects all of it.
pub fn code_block(label: &str, text: &str) -> Markup {
    html! { pre role="region" aria-label=(label) { code { @for line in text.lines() { span.line { (line) } } } } }
}

/// A state in a word, with a mark before it; colour is never the only sign.
pub fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Bad => "badge bad",
        Tone::Plain => "badge",
    };
    html! { span class=(class) { (text) } }
}

/// What stands where a list would, when it is empty.
pub fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// Its heading; on a phone it stands before each value.
    pub name: &'a str,
    /// Whether it holds numbers (aligned right).
    pub number: bool,
}

/// A table with a caption (for screen readers). On a phone each row becomes a block of `heading: value` lines.
pub fn table(caption: &str, columns: &[Column<'_>], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for column in columns { th scope="col" class=[column.number.then_some("number")] { (column.name) } } } }
            tbody {
                @for row in rows {
                    tr {
                        @for (column, value) in columns.iter().zip(row) {
                            td data-label=(column.name) class=[column.number.then_some("number")] { (value) }
                        }
                    }
                }
            }
        }
    }
}

/// The orrery itself: planets on their orbits, moved by the style sheet unless the visitor prefers less motion. Decoration:
/// hidden from screen readers.
pub fn orrery() -> Markup {
    let planets = [("p1", 46, 5), ("p2", 74, 8), ("p3", 104, 6), ("p4", 134, 10)];
    html! {
        svg.orrery viewBox="-150 -150 300 300" aria-hidden="true" focusable="false" {
            @for (_, orbit, _) in planets { circle.orbit r=(orbit) {} }
            circle.glow r="34" {}
            circle.sun r="17" {}
            @for (name, orbit, size) in planets {
                g class=(format!("planet {name}")) {
                    line.arm x1="17" x2=(orbit) {}
                    circle.body cx=(orbit) r=(size) {}
                    @if name == "p4" { ellipse.ring cx=(orbit) rx="17" ry="5" {} }
                    @if name == "p3" { circle.moon cx=(orbit + 12) r="2.5" {} }
                }
            }
        }
    }
}
