//! Measures by short alternating runs, and their medians.

use std::fmt;
use std::time::Duration;

use wasmtime::Result;

/// What a row measures.
#[derive(Clone)]
pub(crate) struct Subject {
    pub(crate) name: String,
    /// The name of the other side.
    pub(crate) peer: String,
    /// The unit of work that figures are divided by.
    pub(crate) unit: String,
    /// The lowest acceptable ratio of the peer's figure, plus what is allowed, to ours.
    pub(crate) floor: f64,
    /// What is added to the peer's figure before the ratio is taken.
    pub(crate) allowed: f64,
    /// The unit of the figures themselves.
    pub(crate) measure: String,
}

impl Subject {
    /// The time of an operation, against a peer's.
    pub(crate) fn new(name: impl Into<String>, peer: impl Into<String>, floor: f64) -> Self {
        Self {
            name: name.into(),
            peer: peer.into(),
            unit: "op".into(),
            floor,
            allowed: 0.0,
            measure: "ns".into(),
        }
    }

    /// Whether its name contains one of `parts`, or there are none.
    pub(crate) fn is_one_of(&self, parts: &[String]) -> bool {
        parts.is_empty() || parts.iter().any(|part| self.name.contains(part))
    }

    pub(crate) fn unit(self, unit: &str) -> Self {
        Self { unit: unit.into(), ..self }
    }

    /// What this crate may cost more than the peer.
    pub(crate) fn allow(self, allowed: f64) -> Self {
        Self { allowed, ..self }
    }

    /// A row of exact counts, which need no repetition.
    pub(crate) fn counted(self, measure: &str, ours: f64, peer: f64) -> Row {
        let subject = Self { measure: measure.into(), ..self };
        let ratio = (peer + subject.allowed) / ours;
        Row { subject, ours, peer, ratio }
    }
}

/// One side of a row: the time for a number of operations.
pub(crate) type Side<'a> = dyn FnMut(u64) -> Result<Duration> + 'a;

/// How long and how often to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    run: Duration,
    pairs: usize,
    repeats: usize,
}

impl Effort {
    pub(crate) const FULL: Self = Self { run: Duration::from_millis(6), pairs: 75, repeats: 3 };
    pub(crate) const QUICK: Self = Self { run: Duration::from_millis(2), pairs: 15, repeats: 3 };

    /// Fewer and longer runs, for rows with several threads.
    pub(crate) fn long(self) -> Self {
        Self { run: self.run * 4, pairs: self.pairs / 3, ..self }
    }

    /// Few pairs, for runs that choose their own length.
    pub(crate) fn few(self) -> Self {
        Self { pairs: (self.pairs / 10).max(3), ..self }
    }

    /// The number of operations in a run of the intended length.
    fn calibrate(self, side: &mut Side<'_>) -> Result<u64> {
        let mut ops = 16;
        loop {
            let time = side(ops)?;
            if time * 4 >= self.run || ops > 1 << 40 {
                let scale = self.run.as_secs_f64() / time.as_secs_f64();
                return Ok(((ops as f64 * scale) as u64).max(1));
            }
            ops *= 4;
        }
    }

    /// Measures in pairs of runs. The two runs of a pair are adjacent and about equally long, and alternate in going
    /// first, so that other load on the machine affects both. Takes the worst of three medians.
    pub(crate) fn compare(
        self,
        subject: Subject,
        ours: &mut Side<'_>,
        peer: &mut Side<'_>,
    ) -> Result<Row> {
        let ops = [self.calibrate(ours)?, self.calibrate(peer)?];
        let nanos = |time: Duration, ops| time.as_nanos() as f64 / ops as f64;
        self.values(
            subject,
            || Ok(nanos(ours(ops[0])?, ops[0])),
            || Ok(nanos(peer(ops[1])?, ops[1])),
        )
    }

    /// The same for runs that return nanoseconds a unit.
    pub(crate) fn values(
        self,
        subject: Subject,
        mut ours: impl FnMut() -> Result<f64>,
        mut peer: impl FnMut() -> Result<f64>,
    ) -> Result<Row> {
        let mut medians = Vec::new();
        for _ in 0..self.repeats {
            let (mut times, mut peer_times, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
            for pair in 0..self.pairs {
                let (ours, peer) = if pair % 2 == 0 {
                    let ours = ours()?;
                    (ours, peer()?)
                } else {
                    let peer = peer()?;
                    (ours()?, peer)
                };
                times.push(ours);
                peer_times.push(peer);
                // More stable than the ratio of the medians.
                ratios.push((peer + subject.allowed) / ours);
            }
            medians.push([median(ratios), median(times), median(peer_times)]);
        }
        medians.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let [ratio, ours, peer] = medians[0];
        Ok(Row { subject, ours, peer, ratio })
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One line of the result. It starts with `ROW`, for scripts.
pub(crate) struct Row {
    pub(crate) subject: Subject,
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    pub(crate) ratio: f64,
}

impl Row {
    /// Parses a line that another program printed.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields =
                line.strip_prefix("ROW ")?.split(' ').filter_map(|f| f.split_once('='));
            fields.find(|(field, _)| *field == name).map(|(_, value)| value)
        };
        // Such as `12.50ns/op`.
        let figure = |value: &str| {
            let (figure, unit) = value.split_once('/')?;
            let end = figure.find(char::is_alphabetic).unwrap_or(figure.len());
            Some((figure[..end].parse().ok()?, figure[end..].to_owned(), unit.to_owned()))
        };
        let (ours, measure, unit) = figure(field("ours")?)?;
        let (peer, theirs) = field("peer")?.split_once(':')?;
        let allowed = field("allowed").and_then(figure).map_or(0.0, |(allowed, ..)| allowed);
        let subject = Subject {
            name: field("name")?.to_owned(),
            peer: peer.to_owned(),
            unit,
            floor: field("floor")?.parse().ok()?,
            allowed,
            measure,
        };
        let ratio = field("ratio")?.parse().ok()?;
        Some(Self { subject, ours, peer: figure(theirs)?.0, ratio })
    }

    pub(crate) fn is_below(&self) -> bool {
        self.ratio < self.subject.floor
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, ours, peer, ratio } = self;
        let Subject { name, unit, floor, measure, allowed, .. } = subject;
        write!(f, "ROW name={name} ours={ours:.2}{measure}/{unit} ")?;
        write!(f, "peer={}:{peer:.2}{measure}/{unit} ", subject.peer)?;
        if *allowed > 0.0 {
            write!(f, "allowed={allowed}{measure}/{unit} ")?;
        }
        write!(f, "ratio={ratio:.2} floor={floor:.2}")?;
        if self.is_below() { f.write_str(" below=yes") } else { Ok(()) }
    }
}
