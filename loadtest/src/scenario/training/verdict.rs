//! What is told of an epoch, and what must be so.

use super::super::Bench;
use super::super::bench::Measured;
use super::super::timeline::{cores, curve, lines, over_time};
use super::{Mode, Read, Training, told_mode};
use crate::content::size_text;
use crate::origin::Set;
use crate::report::{Axis, Budget, Plot};

impl Training {
    /// `number` is counted from 0.
    pub(super) fn judge(
        &self,
        bench: &mut Bench,
        mode: Mode,
        number: usize,
        set: &Set,
        read: &Read,
    ) {
        let (what, run) = (&read.what, &read.measured);
        bench.check_answers(what, &run.outcome);
        let whole = run.outcome.bytes == set.bytes();
        let found = format!("{} of {}", run.outcome.bytes, set.bytes());
        bench.check(format!("{what}: every byte is read once"), whole, found);
        let speed = bench.row(
            format!("{what}: speed"),
            run.outcome.gb_per_second(),
            "GB/s",
        );
        bench.keep(speed.note(self.told(run)));
        let p99 = bench.row(
            format!("{what}: p99 of a read"),
            run.outcome.latency_at(0.99),
            "ms",
        );
        let note = format!(
            "p50 {:.2} ms, p99.9 {:.2} ms, {} at a time",
            run.outcome.latency_at(0.5),
            run.outcome.latency_at(0.999),
            size_text(self.read)
        );
        bench.keep(p99.note(note));
        self.judge_origin(bench, mode, number, set, read);
        if number as u64 == self.epochs {
            let row = bench.row(format!("{what}: loaders wait"), read.stalled * 100.0, "%");
            bench.keep(row.note(
                "of their time, with data consumed at half of the speed of the epoch before",
            ));
        }
        if self.checkpoint > 0 {
            let writes = &read.checkpoints;
            bench.check_answers(&format!("{what}, checkpoints"), writes);
            let row = bench.row(
                format!("{what}: a checkpoint of {}", size_text(self.checkpoint)),
                writes.latency.mean() / 1e3,
                "ms",
            );
            let (written, most) = (writes.answers, writes.latency_at(1.0));
            bench.keep(row.note(format!("mean of {written}, the slowest {most:.0} ms")));
        }
    }

    fn told(&self, run: &Measured) -> String {
        let outcome = &run.outcome;
        let tiers = outcome.sources.iter().map(|(source, (_, bytes))| {
            let share = *bytes as f64 * 100.0 / outcome.bytes.max(1) as f64;
            format!("{source} {share:.0} %")
        });
        format!(
            "{:.2} s, {:.0} samples/s; by tier: {}; {:.2} CPU s/GB, machine {:.0} % busy",
            outcome.elapsed.as_secs_f64(),
            outcome.bytes as f64 / self.sample as f64 / outcome.elapsed.as_secs_f64().max(1e-9),
            tiers.collect::<Vec<_>>().join(", "),
            run.cpu_per_gb(),
            run.cost.machine_busy * 100.0
        )
    }

    /// Each byte comes from the origin once, and what is kept never again.
    fn judge_origin(&self, bench: &mut Bench, mode: Mode, number: usize, set: &Set, read: &Read) {
        let (what, origin) = (&read.what, &read.measured.origin);
        let wanted = if number == 0 { set.bytes() } else { 0 };
        let found = format!(
            "{} bytes in {} requests for a set of {}",
            origin.sent_bytes,
            origin.gets,
            set.bytes()
        );
        let (sent, all) = (origin.sent_bytes as f64 / 1e9, set.bytes() as f64 / 1e9);
        let figure = format!("{sent:.2} of {all:.2} GB, {} requests", origin.gets);
        let ratio = origin.sent_bytes as f64 / set.bytes() as f64;
        let row = bench.row(format!("{what}: origin bytes / set bytes"), ratio, "x");
        let most = if number == 0 { 1.0 } else { 0.0 };
        bench.keep(row.within(Budget::AtMost(most)).figure(figure));
        // A disk that cannot follow a filling epoch drops what it is offered: the row tells, and it is no error.
        if mode == Mode::Memory || number == 0 {
            let held = origin.sent_bytes == wanted;
            let claim = match number {
                0 => "every byte comes from the origin once",
                _ => "no byte comes from the origin",
            };
            bench.check(format!("{what}: {claim}"), held, found);
        }
    }
}

pub(super) fn plots(bench: &mut Bench, mode: Mode, reads: &[Read]) {
    let named = || {
        reads
            .iter()
            .map(|read| (read.name.as_str(), &read.measured))
    };
    let title = |what: &str| format!("{what}, {}", told_mode(mode));
    let speed = lines(named(), |run| run.outcome.series.gb_a_second());
    bench.plot(over_time(title("speed over time"), "GB/s", speed));
    let busy = lines(named(), |run| cores(&run.cost.samples));
    bench.plot(over_time(
        title("CPU of the server over time"),
        "cores",
        busy,
    ));
    bench.plot(Plot {
        title: title("latency curves of a read"),
        x: Axis::tail("percentile"),
        y: Axis::log("ms"),
        lines: lines(named(), |run| curve(&run.outcome.latency)),
    });
    let bars = named().map(|(what, run)| (what.to_owned(), run.cpu_per_gb()));
    bench.chart(&title("CPU of the server a GB"), "s/GB", bars.collect());
}
