//! A million rows, one by one.

use std::time::Instant;

use ebbtide::params;
use futures::TryStreamExt;

use crate::Outcome;
use crate::contenders::Contenders;
use crate::effort::Effort;
use crate::memory::Growth;
use crate::peer::{Peer, ROWS, Record, STREAM};
use crate::report::Report;

pub(crate) async fn run<P: Peer>(contenders: &Contenders<P>, effort: &Effort, report: &mut Report) -> Outcome {
    let factor = effort.stream_factor();
    let wanted = (factor * ROWS) as usize;
    // A first small one, so that what is needed once in any case does not count.
    ebbtide(contenders, 1, &mut Growth::from_now()).await?;
    let mut bare = contenders.bare().await?;
    P::stream(&mut bare, 1, |_| ()).await?;

    let mut growth = Growth::from_now();
    let begun = Instant::now();
    let count = ebbtide(contenders, factor, &mut growth).await?;
    let (own, own_growth) = (begun.elapsed(), growth.megabytes());
    let mut growth = Growth::from_now();
    let begun = Instant::now();
    let peer = P::stream(&mut bare, factor, |number| growth.row(number)).await?;
    let (peer_time, peer_growth) = (begun.elapsed(), growth.megabytes());
    if count != wanted || peer != wanted {
        return Err(format!("{wanted} rows were to come, {count} and {peer} came").into());
    }

    println!(
        "\n### {}: a stream of {wanted} rows of five columns by FromRow\n",
        P::SHOWN
    );
    println!("| | µs a row | resident memory above idle |\n|---|---|---|");
    for (name, time, growth) in [
        ("sqlx `fetch`, bare connection", peer_time, peer_growth),
        ("ebbtide `iterate`", own, own_growth),
    ] {
        let each = time.as_secs_f64() * 1e6 / wanted as f64;
        let growth = growth.map_or("unknown here".to_owned(), |growth| format!("{growth:.1} MB"));
        println!("| {name} | {each:.2} | {growth} |");
    }
    if let Some(growth) = own_growth {
        report.megabytes("a stream of a million rows, memory above idle", 10.0, growth);
    }
    Ok(())
}

async fn ebbtide<P: Peer>(contenders: &Contenders<P>, factor: i64, growth: &mut Growth) -> Outcome<usize> {
    let mut rows = contenders
        .database
        .iterate(STREAM, params! { factor })
        .decode::<Record>();
    let mut count = 0;
    while rows.try_next().await?.is_some() {
        count += 1;
        growth.row(count);
    }
    Ok(count)
}
