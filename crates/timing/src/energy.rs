use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The folder in which Linux shows the energy counters of the processor, known as RAPL.
const FOLDER: &str = "/sys/class/powercap";

/// Measures the energy that the processor's packages consume, without the memory modules and the rest of the computer.
/// Whatever else runs on the machine counts too.
pub struct EnergyMeter {
    packages: Vec<Counter>,
}

/// The counter of one package.
struct Counter {
    file: PathBuf,
    /// The value in microjoules at which the counter starts again at zero.
    range: u64,
}

impl EnergyMeter {
    /// Finds the counters of this machine.
    ///
    /// # Errors
    /// The reason why energy cannot be measured, as a sentence without a full stop: there are no counters, as on most
    /// virtual machines, or this user may not read them.
    pub fn open() -> Result<Self, String> {
        Self::in_folder(Path::new(FOLDER))
    }

    fn in_folder(folder: &Path) -> Result<Self, String> {
        let cannot_read = |path: &Path, error: &io::Error| format!("cannot read {}: {error}", path.display());
        let entries = fs::read_dir(folder).map_err(|error| cannot_read(folder, &error))?;
        let mut packages = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            // `intel-rapl-mmio` shows the same counters once more, and zones within a package have other names.
            let is_rapl = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("intel-rapl:"));
            let name = fs::read_to_string(path.join("name")).unwrap_or_default();
            if is_rapl && name.starts_with("package") {
                let range = read(&path.join("max_energy_range_uj")).map_err(|error| cannot_read(&path, &error))?;
                let counter = Counter { file: path.join("energy_uj"), range };
                read(&counter.file).map_err(|error| cannot_read(&counter.file, &error))?;
                packages.push(counter);
            }
        }
        if packages.is_empty() {
            return Err(format!("{} has no counter of a processor package", folder.display()));
        }
        Ok(Self { packages })
    }

    /// Does some work and returns the energy that was consumed meanwhile, in joules; `None` if a counter could not be read.
    pub fn measure<T>(&self, work: impl FnOnce() -> T) -> (T, Option<f64>) {
        let before = self.microjoules();
        let result = work();
        let consumed = before.zip(self.microjoules()).map(|(before, after)| {
            let counters = before.iter().zip(&after).zip(&self.packages);
            counters.map(|((before, after), counter)| counter.difference(*before, *after)).sum::<u64>()
        });
        (result, consumed.map(|microjoules| microjoules as f64 / 1e6))
    }

    fn microjoules(&self) -> Option<Vec<u64>> {
        self.packages.iter().map(|counter| read(&counter.file).ok()).collect()
    }
}

impl Counter {
    fn difference(&self, before: u64, after: u64) -> u64 {
        if after >= before { after - before } else { (after + self.range).saturating_sub(before) }
    }
}

fn read(file: &Path) -> io::Result<u64> {
    fs::read_to_string(file)?.trim().parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn zone(folder: &Path, zone: &str, name: &str, energy: u64) -> PathBuf {
        let zone = folder.join(zone);
        fs::create_dir(&zone).unwrap();
        for (file, text) in [("name", name), ("max_energy_range_uj", "1000000"), ("energy_uj", &energy.to_string())] {
            fs::write(zone.join(file), format!("{text}\n")).unwrap();
        }
        zone.join("energy_uj")
    }

    #[test]
    fn the_energy_of_all_packages_counts_and_that_of_their_parts_does_not_count_twice() {
        let folder = TempDir::new().unwrap();
        let packages =
            [0, 1].map(|i| zone(folder.path(), &format!("intel-rapl:{i}"), &format!("package-{i}"), 400_000));
        let others = [("intel-rapl:0:0", "core"), ("intel-rapl-mmio:0", "package-0"), ("intel-rapl:2", "psys")]
            .map(|(path, name)| zone(folder.path(), path, name, 0));
        let meter = EnergyMeter::in_folder(folder.path()).unwrap();
        let (result, joules) = meter.measure(|| {
            fs::write(&packages[0], "500000").unwrap();
            fs::write(&packages[1], "100000").unwrap(); // has started again at zero
            others.iter().for_each(|file| fs::write(file, "900000").unwrap());
            7
        });
        assert_eq!(result, 7);
        assert!((joules.unwrap() - (0.1 + 0.7)).abs() < 1e-9, "{joules:?}");
    }

    #[test]
    fn the_reason_is_told_where_energy_cannot_be_measured() {
        let folder = TempDir::new().unwrap();
        let reason = |path: &Path| EnergyMeter::in_folder(path).err().unwrap();
        assert!(reason(&folder.path().join("powercap")).contains("powercap: No such file"));
        assert!(reason(folder.path()).contains("no counter of a processor package"));
        fs::remove_file(zone(folder.path(), "intel-rapl:0", "package-0", 0)).unwrap();
        assert!(reason(folder.path()).contains("energy_uj: No such file"));
    }
}
