use heads::{HeadConfig, parse_list};

#[test]
fn names_survive_a_round_trip_through_text_and_json() {
    let names = HeadConfig::examples().into_iter().map(|(config, _)| config.to_string());
    for name in
        names.chain(["fc:120,84", "fc+drop0.5", "fc:8,4,2+drop0.25", "gap:direct", "gmp:direct"].map(String::from))
    {
        let config: HeadConfig = name.parse().unwrap();
        assert_eq!(config.to_string(), name);
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(json, format!("\"{name}\""));
        assert_eq!(serde_json::from_str::<HeadConfig>(&json).unwrap(), config);
    }
}

#[test]
fn a_list_is_split_at_commas_that_no_digit_follows() {
    let names: Vec<String> = parse_list("fc:120,84,gap,fc:8").unwrap().iter().map(HeadConfig::to_string).collect();
    assert_eq!(names, ["fc:120,84", "gap", "fc:8"]);
}

#[test]
fn what_is_no_head_is_refused_with_the_names_there_are() {
    for name in ["", "fc:", "fc:0", "fc:a", "fc128", "fc+drop1", "fc+drop0", "fc+drop-1", "fc+dropNaN", "gap:x", "max"]
    {
        let error = name.parse::<HeadConfig>().expect_err(name);
        assert!(error.to_string().contains("attn-fc"), "{error}");
    }
}
