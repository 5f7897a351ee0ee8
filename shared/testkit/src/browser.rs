//! A headless Chromium, driven over WebDriver.
