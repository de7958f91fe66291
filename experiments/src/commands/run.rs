use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{index::write_index, report::render};
use crate::{
    cli::{RunOptions, Shape},
    data::Data,
    output::print,
    plan::{Plan, RunConfig},
    record::SuiteInfo,
    store::Store,
    suite::{self, Suite},
    sweep::sweep,
    tune::tune,
};

pub fn run(options: &RunOptions) -> Result<()> {
    let original = suite::find(&options.suite)?;
    let mut suite = original.with(options);
    if (suite != original || options.tune) && options.out.is_none() {
        suite.name += "-custom";
    }
    let data = Data::load(&suite, options)?;
    let mut plan = Plan::new(&suite, &data)?;
    let results = options.out.clone().unwrap_or_else(|| PathBuf::from("results"));
    let folder = results.join(&suite.name);
    if options.dry_run {
        return print(&describe(&plan, &folder, options));
    }
    if options.tune {
        suite.rates = tune(&suite, &data, &folder, &info(&suite), options)?;
        plan = Plan::new(&suite, &data)?;
    }
    let lacking: Vec<String> = plan.variants().filter(|run| run.lacks_rate).map(|run| run.title()).collect();
    if !options.quiet && !lacking.is_empty() {
        eprintln!("no rate was chosen for these, `--tune` does: {}", lacking.join("; "));
    }
    let store = Store::new(folder);
    store.keep_suite(&suite.text)?;
    if !options.quiet && std::io::stderr().is_terminal() {
        eprintln!("{} runs, into {}", plan.of_shard(options.shard).count(), store.folder().display());
    }
    let swept = sweep(&plan, &store, &info(&suite), options);
    // What has been trained is shown also where something failed.
    let rendered = render(store.folder(), &[store.folder()], &plan.variants().map(RunConfig::hash).collect::<Vec<_>>());
    swept.and(rendered).and_then(|()| write_index(&results))
}

fn info(suite: &Suite) -> SuiteInfo {
    let arguments: Vec<String> = typed(std::env::args().skip(1)).map(|argument| quoted(&argument)).collect();
    let command = match arguments.as_slice() {
        [] => "cargo run -p experiments".into(),
        arguments => format!("cargo run -p experiments -- {}", arguments.join(" ")),
    };
    SuiteInfo { name: suite.name.clone(), question: suite.question.clone(), command, order: 0 }
}

/// Without what says only where files lie and how the work is done.
fn typed(arguments: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    const WITH_VALUE: [&str; 3] = ["--out", "--data-dir", "--threads"];
    const ALONE: [&str; 3] = ["--quiet", "--fresh", "--extend"];
    let mut skip_value = false;
    arguments.filter(move |argument| {
        let (name, value) =
            argument.split_once('=').map_or((argument.as_str(), None), |(name, value)| (name, Some(value)));
        let is_value = std::mem::replace(&mut skip_value, WITH_VALUE.contains(&name) && value.is_none());
        !is_value && !WITH_VALUE.contains(&name) && !ALONE.contains(&name)
    })
}

/// As a shell would want it typed.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=./,:@+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.into()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

fn describe(plan: &Plan, folder: &Path, options: &RunOptions) -> String {
    let runs: Vec<&RunConfig> = plan.of_shard(options.shard).collect();
    let mut text = format!("{} runs, into {}\n", runs.len(), folder.display());
    for run in runs {
        text += &format!(
            "{run}: {} of {} images {} in batches of {}, lr {}, {}, {}\n",
            run.length,
            run.data.train.len(),
            Shape(run.input()),
            run.batch_size,
            run.lr,
            run.schedule,
            run.optimizer
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{quoted, typed};

    #[test]
    fn a_record_does_not_tell_where_files_lie() {
        let arguments = ["run", "heads", "--out", "/home/me", "--data-dir=/data", "--seeds", "1", "--quiet"];
        let typed: Vec<String> = typed(arguments.into_iter().map(String::from)).collect();
        assert_eq!(typed, ["run", "heads", "--seeds", "1"]);
    }

    #[test]
    fn an_argument_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("fc:120,84"), "fc:120,84");
        assert_eq!(quoted("my data"), "'my data'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}
