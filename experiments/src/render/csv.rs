use crate::{aggregate::Row, record::Measured};

/// One line per row. The columns are a contract; what is not known stays empty.
pub fn csv(rows: &[Row]) -> String {
    let mut text = String::from(
        "dataset,model,head,seeds,param_count,head_param_count,macs,top1,top1_sd,top1_ci95,train_top1,\
         generalisation_gap,train_samples_per_sec,infer_samples_per_sec,latency_us\n",
    );
    let number = |value: Option<f64>, digits| value.map_or(String::new(), |value| format!("{value:.digits$}"));
    let median = |measured: Option<Measured>| number(measured.map(|measured| measured.median), 1);
    for row in rows {
        let fields = [
            quoted(&row.dataset),
            quoted(&row.model),
            quoted(&row.head),
            row.seeds.to_string(),
            row.param_count.to_string(),
            row.head_param_count.to_string(),
            row.macs.to_string(),
            number(row.top1.map(|top1| top1.mean), 4),
            number(row.top1.and_then(|top1| top1.sd), 4),
            number(row.top1.and_then(|top1| top1.ci95), 4),
            number(row.train_top1, 4),
            number(row.generalisation_gap, 4),
            median(row.train_samples_per_sec),
            median(row.infer_samples_per_sec),
            median(row.latency_us),
        ];
        text += &(fields.join(",") + "\n");
    }
    text
}

/// As RFC 4180 has it: `fc:120,84` holds a comma.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.into() }
}
