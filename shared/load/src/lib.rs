//! Open-loop arrivals, latency histograms, recorded histories
