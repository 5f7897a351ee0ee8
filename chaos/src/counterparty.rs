//! The books of somebody else: what a processor says it took for each payment, and what it says it will pay out.

use std::collections::BTreeMap;
use std::time::Duration;

use clock::SharedClock;
use history::ledger::{Minor, Observed, Word};
use load::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::DrillError;

/// Questions at once.
const AT_ONCE: usize = 8;
/// One question is asked so often at most.
const TRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// How it is asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counterparty {
    /// The role that stands for it.
    pub(crate) role: String,
    /// Fields of the head.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What was taken for one payment, `{payment}` in its path.
    charges: Charges,
    /// What is paid out for a day, `{day}` in its path: CSV with a head. Without it nothing is read of it.
    #[serde(default)]
    settlement: Option<Settlement>,
}

/// Where in an answer charges stand, as JSON pointers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Charges {
    path: String,
    list: String,
    id: String,
    captured: String,
    refunded: String,
    currency: String,
}

/// Which columns a settlement has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settlement {
    path: String,
    /// The charge's id.
    charge: String,
    /// Minor units.
    amount: String,
    /// What the row is of.
    kind: String,
    /// That word of it that says that money goes back.
    refund: String,
}

impl Counterparty {
    /// Asks for every payment that was observed, and for today's settlement.
    pub(crate) async fn read(
        &self,
        api_port: u16,
        observed: &[Observed],
        clock: &SharedClock,
    ) -> Result<Vec<Observed>, DrillError> {
        use futures::{StreamExt as _, TryStreamExt as _};
        let client = HttpClient::new(&format!("http://127.0.0.1:{api_port}"), HttpSettings::default())
            .map_err(|error| DrillError::Load(error.to_string()))?;
        let payments = observed.iter().filter_map(|row| match row {
            Observed::Payment { id, .. } => Some(id.clone()),
            _ => None,
        });
        let asked = payments.map(|payment| {
            let client = client.clone();
            async move { self.charges_of(&client, &payment).await }
        });
        let charges: Vec<Vec<Observed>> = futures::stream::iter(asked)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut read = charges.concat();
        if let Some(settlement) = &self.settlement {
            let path = settlement.path.replace("{day}", &day(clock.unix_ms()));
            // One that is not published yet says nothing.
            if let Some(text) = self.asked(&client, &path).await? {
                let rows = settlement.rows(&text, &read)?;
                read.extend(rows);
            }
        }
        Ok(read)
    }

    async fn charges_of(&self, client: &HttpClient, payment: &Word) -> Result<Vec<Observed>, DrillError> {
        let path = self.charges.path.replace("{payment}", payment.as_str());
        let Some(text) = self.asked(client, &path).await? else {
            return Ok(Vec::new());
        };
        let wrong = |what: &str| unobserved(&path, &format!("{what} in {text}"));
        let body: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong("no JSON"))?;
        let list = body
            .pointer(&self.charges.list)
            .and_then(serde_json::Value::as_array);
        let charge = |row: &serde_json::Value| {
            let at = |pointer: &str| match row.pointer(pointer)? {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Null => None,
                other => Some(other.to_string()),
            };
            let minor = |pointer: &str| at(pointer)?.parse().ok().map(Minor);
            Some(Observed::Charge {
                id: at(&self.charges.id)?.into(),
                payment: payment.clone(),
                captured: minor(&self.charges.captured)?,
                refunded: minor(&self.charges.refunded)?,
                currency: at(&self.charges.currency)?.into(),
            })
        };
        let list = list.ok_or_else(|| wrong("no list"))?;
        list.iter()
            .map(|row| charge(row).ok_or_else(|| wrong("no charge")))
            .collect()
    }

    /// Its answer; nothing where there is none of it.
    async fn asked(&self, client: &HttpClient, path: &str) -> Result<Option<String>, DrillError> {
        let mut reason = String::new();
        for _ in 0..TRIES {
            let mut request = http::Request::builder().uri(path);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            let request = request
                .body(String::new())
                .map_err(|error| unobserved(path, &error.to_string()))?;
            match client.send(request).await {
                Ok(answer) if answer.status == 404 => return Ok(None),
                Ok(answer) if answer.status == 200 => {
                    return Ok(Some(String::from_utf8_lossy(&answer.body).into_owned()));
                }
                Ok(answer) => reason = answer.status.to_string(),
                Err(error) => reason = error.to_string(),
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(unobserved(path, &reason))
    }
}

impl Settlement {
    /// Each row, of the payment that its charge was made for.
    fn rows(&self, text: &str, charges: &[Observed]) -> Result<Vec<Observed>, DrillError> {
        let payments: BTreeMap<&str, &Word> = charges
            .iter()
            .filter_map(|row| match row {
                Observed::Charge { id, payment, .. } => Some((id.as_str(), payment)),
                _ => None,
            })
            .collect();
        let mut lines = text.lines();
        let columns: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let place = |name: &str| {
            let found = columns.iter().position(|column| *column == name);
            found.ok_or_else(|| unobserved(&self.path, &format!("no column {name}")))
        };
        let (charge, amount, kind) = (place(&self.charge)?, place(&self.amount)?, place(&self.kind)?);
        let mut rows = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let cells: Vec<&str> = line.split(',').collect();
            let wrong = || unobserved(&self.path, &format!("no row of a settlement: {line}"));
            let cell = |place: usize| cells.get(place).copied().ok_or_else(wrong);
            let minor: i128 = cell(amount)?.parse().map_err(|_| wrong())?;
            // One of a payment that this run did not make is of no matter to it.
            if let Some(payment) = payments.get(cell(charge)?) {
                let back = cell(kind)? == self.refund;
                rows.push(Observed::Settlement {
                    payment: (*payment).clone(),
                    amount: Minor(if back { -minor } else { minor }),
                });
            }
        }
        Ok(rows)
    }
}

fn unobserved(what: &str, reason: &str) -> DrillError {
    DrillError::Unobserved {
        what: what.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The day of a moment, in UTC, as ISO 8601 writes it (Howard Hinnant's `civil_from_days`).
fn day(unix_ms: u64) -> String {
    let days = unix_ms / 86_400_000 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const ASKED: &str = "
role: processor
charges: {path: '/charges?reference=payment%2F{payment}', list: /charges, id: /id, captured: /captured_amount, refunded: /refunded_amount, currency: /currency}
settlement: {path: '/settlements/{day}', charge: charge_id, amount: amount, kind: kind, refund: refund}
";

    #[test]
    fn a_moment_has_its_day() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(951_782_400_000), "2000-02-29");
        assert_eq!(day(1_795_305_600_000), "2026-11-22");
    }

    #[tokio::test]
    async fn charges_and_settlement_are_read_by_payment() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut head = vec![0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut head).await {
                        let asked = String::from_utf8_lossy(&head[..length]).into_owned();
                        let (status, body) = match asked.split(' ').nth(1) {
                            Some("/charges?reference=payment%2F7") => (
                                "200 OK",
                                "{\"charges\":[{\"id\":\"ch\",\"captured_amount\":\"40\",\"refunded_amount\":\"0\",\"currency\":\"EUR\"}]}",
                            ),
                            Some(path) if path.starts_with("/settlements/") => (
                                "200 OK",
                                "charge_id,kind,amount\nch,capture,41\nch,refund,1\nother,capture,5\n",
                            ),
                            _ => ("404 No", ""),
                        };
                        let answer = format!(
                            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        let payment = |id: &str| Observed::Payment {
            id: id.into(),
            debit: "a".into(),
            credit: "b".into(),
            amount: Minor(40),
            currency: "EUR".into(),
            state: "captured".to_owned(),
            refunded: Minor(0),
            intent: None,
        };
        let counterparty: Counterparty = serde_saphyr::from_str(ASKED).unwrap();
        let clock = clock::SystemClock::shared();
        let observed = [payment("7"), payment("8")];
        let read = counterparty.read(port, &observed, &clock).await.unwrap();
        let charge = Observed::Charge {
            id: "ch".into(),
            payment: "7".into(),
            captured: Minor(40),
            refunded: Minor(0),
            currency: "EUR".into(),
        };
        let settled = |amount| Observed::Settlement {
            payment: "7".into(),
            amount: Minor(amount),
        };
        assert_eq!(read, [charge, settled(41), settled(-1)]);
    }
}
