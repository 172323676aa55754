//! Short alternating runs, and their medians.

use std::fmt;

use wasmtime::Result;

/// What a row is about.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// What the other side is called.
    pub(crate) peer: &'static str,
    /// What the times are divided by.
    pub(crate) unit: &'static str,
    /// The ratio, peer's time by ours, under which this crate is slower than it claims to be.
    pub(crate) floor: f64,
}

impl Subject {
    /// Measures in `pairs` pairs of runs, which answer with nanoseconds a unit. The two of a pair stand close together in
    /// time, and take turns in going first, so that what else the machine does meets both.
    pub(crate) fn measure(
        self,
        pairs: usize,
        mut ours: impl FnMut() -> Result<f64>,
        mut peer: impl FnMut() -> Result<f64>,
    ) -> Result<Row> {
        let (mut times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs {
            let (ours, peer) = if pair % 2 == 0 {
                let ours = ours()?;
                (ours, peer()?)
            } else {
                let peer = peer()?;
                (ours()?, peer)
            };
            times.push(ours);
            peer_times.push(peer);
            ratios.push(peer / ours);
        }
        let (ours, peer, ratio) = (median(times), median(peer_times), median(ratios));
        Ok(Row { subject: self, ours, peer, ratio })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One line of the result. It starts with `ROW`, for scripts.
pub(crate) struct Row {
    subject: Subject,
    ours: f64,
    peer: f64,
    /// The median of the pairs' ratios, which is steadier than the ratio of the medians.
    ratio: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, ours, peer, ratio } = self;
        let Subject { name, unit, floor, .. } = subject;
        write!(f, "ROW name={name} ours={ours:.2}ns/{unit} ")?;
        write!(f, "peer={}:{peer:.2}ns/{unit} ratio={ratio:.2} floor={floor}", subject.peer)?;
        if ratio < floor { f.write_str(" below=yes") } else { Ok(()) }
    }
}
