//! What a user agent says about itself: device, browser, and whether it is a robot.
//!
//! A few words are looked for, in an order that minds who pretends to be whom (every Edge says Chrome, every Chrome says Safari). Wrong
//! now and then, as everything that reads user agents is: an iPad says it is a Mac, and a robot that hides is taken for a person.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Browser, Device};

/// What of a user agent is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Agent {
    /// The kind of device.
    pub device: Device,
    /// The family of browsers.
    pub browser: Browser,
    /// Whether it says that it is a robot.
    pub bot: bool,
}

/// Robots whose name has no `bot` in it, and those that only look at what stands behind a link. Small letters. That a program is no
/// browser (curl, wget, Go-http-client, okhttp) makes it no robot: somebody calls it, or built it into what somebody uses. Nor does it
/// that it says nothing.
const ROBOTS: [&str; 49] = [
    "crawl",
    "spider",
    "slurp",
    // An address to complain to, as well-behaved robots give it.
    "+http",
    "archiver",
    "facebookexternalhit",
    "facebookcatalog",
    "meta-externalagent",
    "meta-externalfetcher",
    "mediapartners-google",
    "apis-google",
    "google-inspectiontool",
    "google-read-aloud",
    "googleother",
    "google-safety",
    "google favicon",
    "feedfetcher",
    "feedly",
    "chrome-lighthouse",
    "bingpreview",
    "uripreview",
    "urlpreview",
    "url preview",
    "linkpreview",
    "link preview",
    "slack-imgproxy",
    "embedly",
    "iframely",
    "vkshare",
    "w3c_validator",
    "w3c-checklink",
    "pingdom",
    "statuscake",
    "site24x7",
    "newrelicpinger",
    "datadogsynthetics",
    "chatgpt-user",
    "claude-user",
    "claude-web",
    "perplexity-user",
    "cohere-ai",
    "ia_archiver",
    // Browsers that nobody looks at.
    "headlesschrome",
    "phantomjs",
    // What pages are gathered with, under its own name.
    "python-requests",
    "python-urllib",
    "python-httpx",
    "scrapy",
    "libwww-perl",
];

/// In this order: whoever pretends to be another stands before it.
const BROWSERS: [(&str, Browser); 16] = [
    ("samsungbrowser/", Browser::Samsung),
    ("edg/", Browser::Edge),
    ("edga/", Browser::Edge),
    ("edgios/", Browser::Edge),
    ("edge/", Browser::Edge),
    ("opr/", Browser::Opera),
    ("opt/", Browser::Opera),
    ("opios/", Browser::Opera),
    ("opera", Browser::Opera),
    ("fxios/", Browser::Firefox),
    ("firefox/", Browser::Firefox),
    ("focus/", Browser::Firefox),
    ("crios/", Browser::Chrome),
    ("chromium/", Browser::Chrome),
    ("chrome/", Browser::Chrome),
    ("safari/", Browser::Safari),
];

/// Televisions and consoles, which name a computer's or a phone's system beside their own.
const NEITHER: [&str; 12] = [
    "smart-tv",
    "smarttv",
    "googletv",
    "appletv",
    "apple tv",
    "hbbtv",
    "android tv",
    "crkey",
    "web0s",
    "playstation",
    "nintendo",
    "xbox",
];

/// In this order too.
const DEVICES: [(&str, Device); 18] = [
    // Old Windows with a touch screen.
    ("tablet pc", Device::Desktop),
    ("ipad", Device::Tablet),
    ("tablet", Device::Tablet),
    ("kindle", Device::Tablet),
    ("playbook", Device::Tablet),
    ("silk/", Device::Tablet),
    ("iphone", Device::Mobile),
    ("ipod", Device::Mobile),
    ("windows phone", Device::Mobile),
    ("opera mini", Device::Mobile),
    ("mobile", Device::Mobile),
    // An Android phone says `Mobile`.
    ("android", Device::Tablet),
    ("windows nt", Device::Desktop),
    ("macintosh", Device::Desktop),
    ("cros ", Device::Desktop),
    ("x11;", Device::Desktop),
    ("linux x86_64", Device::Desktop),
    ("freebsd", Device::Desktop),
];

impl Agent {
    /// Reads a user agent.
    pub(crate) fn of(user_agent: &[u8]) -> Self {
        let text = String::from_utf8_lossy(user_agent).to_ascii_lowercase();
        let first = |words: &[(&str, Device)]| {
            let found = words.iter().find(|(word, _)| text.contains(word));
            found.map_or(Device::Other, |(_, device)| *device)
        };
        let neither = NEITHER.iter().any(|word| text.contains(word));
        let browser = BROWSERS.iter().find(|(word, _)| text.contains(word));
        Self {
            device: if neither { Device::Other } else { first(&DEVICES) },
            browser: browser.map_or(Browser::Other, |(_, browser)| *browser),
            bot: is_robot(&text),
        }
    }

    fn packed(self) -> u64 {
        self.device as u64 | (self.browser as u64) << 2 | u64::from(self.bot) << 5 | PRESENT
    }

    fn unpacked(bits: u64) -> Self {
        // Both masks keep indices that exist: there are four devices, and an eighth browser was never packed.
        let device = usize::try_from(bits & 0b11).unwrap_or_default();
        let browser = usize::try_from(bits >> 2 & 0b111).unwrap_or_default();
        Self {
            device: Device::ALL[device],
            browser: Browser::ALL.get(browser).copied().unwrap_or_default(),
            bot: bits & 1 << 5 != 0,
        }
    }
}

fn is_robot(text: &str) -> bool {
    ROBOTS.iter().any(|word| text.contains(word)) || text.starts_with("whatsapp/") || names_a_bot(text)
}

/// `bot` at the end of a word: `Googlebot`, `robots`, `UptimeRobot/2.0`. A Cubot is a phone.
fn names_a_bot(text: &str) -> bool {
    text.match_indices("bot").any(|(at, _)| {
        let after = text[at + 3..].trim_start_matches('s');
        !text[..at].ends_with("cu") && !after.starts_with(|next: char| next.is_ascii_alphabetic())
    })
}

/// Set in each slot that holds something.
const PRESENT: u64 = 1 << 6;
/// What of a slot is the agent; the rest is of the user agent's hash.
const AGENT_BITS: u64 = 0xff;
const SLOTS: usize = 4_096;

/// The agents that were read lately: reading one costs microseconds, and most visits have one of few. Neither text nor allocation: a slot
/// holds the agent and 56 bits of a hash whose key nobody knows. A new user agent takes the slot of an old one.
#[derive(Debug)]
pub(crate) struct Agents {
    hasher: RandomState,
    slots: Box<[AtomicU64]>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

impl Agents {
    /// What a user agent says, read or remembered.
    pub(crate) fn of(&self, user_agent: &[u8]) -> Agent {
        if user_agent.is_empty() {
            return Agent::default();
        }
        let hash = self.hasher.hash_one(user_agent);
        let place = usize::try_from(hash >> 52).unwrap_or_default() % SLOTS;
        let slot = &self.slots[place];
        let found = slot.load(Ordering::Relaxed);
        if found & !AGENT_BITS == hash & !AGENT_BITS && found & PRESENT != 0 {
            return Agent::unpacked(found);
        }
        let agent = Agent::of(user_agent);
        slot.store(hash & !AGENT_BITS | agent.packed(), Ordering::Relaxed);
        agent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: [(&str, Device, Browser); 25] = [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            Device::Desktop,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
            Device::Desktop,
            Browser::Firefox,
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
            Device::Desktop,
            Browser::Safari,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            Device::Desktop,
            Browser::Edge,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 OPR/119.0.0.0",
            Device::Desktop,
            Browser::Opera,
        ),
        (
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            Device::Desktop,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
            Device::Mobile,
            Browser::Safari,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.77 Mobile/15E148 Safari/604.1",
            Device::Mobile,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 15_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/144.0 Mobile/15E148 Safari/605.1.15",
            Device::Mobile,
            Browser::Firefox,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS]",
            Device::Mobile,
            Browser::Other,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
            Device::Mobile,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            Device::Mobile,
            Browser::Samsung,
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; CUBOT X70) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            Device::Mobile,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0",
            Device::Mobile,
            Browser::Firefox,
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
            Device::Tablet,
            Browser::Safari,
        ),
        (
            "Mozilla/5.0 (Linux; Android 12; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            Device::Tablet,
            Browser::Chrome,
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; Touch; Tablet PC 2.0; rv:11.0) like Gecko",
            Device::Desktop,
            Browser::Other,
        ),
        (
            "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/87.0.4280.88 Safari/537.36",
            Device::Other,
            Browser::Chrome,
        ),
        ("curl/8.14.1", Device::Other, Browser::Other),
        ("Wget/1.25.0", Device::Other, Browser::Other),
        ("Grafana k6/1.8.1", Device::Other, Browser::Other),
        ("Go-http-client/2.0", Device::Other, Browser::Other),
        ("okhttp/5.1.0", Device::Other, Browser::Other),
        ("Java-http-client/25", Device::Other, Browser::Other),
        ("", Device::Other, Browser::Other),
    ];

    const BOTS: [&str; 21] = [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
        "Mozilla/5.0 (compatible; YandexBot/3.0)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; GPTBot/1.2",
        "facebookexternalhit/1.1",
        "Twitterbot/1.0",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0",
        "Mozilla/5.0 (compatible; Discordbot/2.0)",
        "Mozilla/5.0 (compatible; archive.org_bot)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0)",
        "Mozilla/5.0+(compatible; UptimeRobot/2.0)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp)",
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
        "python-requests/2.32.5",
        "Python-urllib/3.13",
        "Scrapy/2.13 (no address)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
    ];

    #[test]
    fn people_are_known_by_device_and_browser() {
        for (user_agent, device, browser) in PEOPLE {
            let expected = Agent {
                device,
                browser,
                bot: false,
            };
            assert_eq!(Agent::of(user_agent.as_bytes()), expected, "{user_agent}");
        }
    }

    #[test]
    fn robots_are_known_by_what_they_say() {
        for user_agent in BOTS {
            assert!(Agent::of(user_agent.as_bytes()).bot, "{user_agent}");
        }
    }

    #[test]
    fn what_is_remembered_is_what_was_read_also_after_its_slot_was_taken() {
        let agents = Agents::default();
        let read = |user_agent: &str| (agents.of(user_agent.as_bytes()), Agent::of(user_agent.as_bytes()));
        for _ in 0..3 {
            for (user_agent, ..) in PEOPLE {
                let (remembered, now) = read(user_agent);
                assert_eq!(remembered, now, "{user_agent}");
            }
            for user_agent in BOTS {
                let (remembered, now) = read(user_agent);
                assert_eq!(remembered, now, "{user_agent}");
            }
            for number in 0..2 * SLOTS {
                agents.of(format!("Other/{number}").as_bytes());
            }
        }
        assert_eq!(agents.of(b""), Agent::default());
        assert_eq!(agents.of(b"\xff\xfe Firefox/1"), Agent::of(b"Firefox/1"));
    }
}
