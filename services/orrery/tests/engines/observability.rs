//! What a person who watches the platform sees: a real Prometheus that scrapes it, a real Alertmanager that tells of it.

mod agreement;
mod dashboards;
mod outage;
mod panels;
mod roles;
mod till;
mod traffic;
