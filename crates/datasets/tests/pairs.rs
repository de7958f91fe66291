//! Protein–drug pairs in the authors' files, and batches of them.

mod common;

use std::{error::Error, path::Path};

use candle_core::{Device, Result as CandleResult};
use common::write;
use datasets::{Order, PairOptions, PairSplit, Pairs, PlantedMotifs, Protein, RESIDUES};
use tempfile::TempDir;

/// Columns in various orders, and further ones, as the authors' files have them.
const INTERACTIONS: &str = ",Compound_ID,Protein_ID,Label,Unnamed: 3\n0,C1,P1,1,\n1,C2,P1,0,\n2,C1,P2,0,\n";
const PROTEINS: &str = ",Protein_ID,Sequence,CTD\n0,P1,MAKE,0.1\t0.2\n7,P2,\"UXBZO\",\n";
const COMPOUNDS: &str = "SMILES,morgan_fp_r2,Compound_ID,morgan_fp_r1\n\"C,C\",0\t1\t1,C1,1\nCO,1\t0\t0,C2,0\n";

fn folder(interactions: &str, proteins: &str, compounds: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (kind, text) in [("dti", interactions), ("protein", proteins), ("compound", compounds)] {
        write(folder.path(), &format!("test_dataset/test_{kind}.csv"), text.as_bytes());
    }
    folder
}

fn load(folder: &Path) -> Result<Pairs, datasets::DatasetError> {
    Pairs::load(folder, PairSplit::Test, &PairOptions::default())
}

#[test]
fn the_three_files_are_joined_by_their_ids() {
    let pairs = load(folder(INTERACTIONS, PROTEINS, COMPOUNDS).path()).unwrap();
    assert_eq!((pairs.len(), pairs.is_empty(), pairs.fingerprint_bits()), (3, false, 3));
    let rows: Vec<_> = (0..3)
        .map(|i| (pairs.protein(i).sequence(), &pairs.drug(i).fingerprint[..], pairs.interactions[i].binds))
        .collect();
    let expected: [(&str, &[u8], bool); 3] =
        [("MAKE", &[0, 1, 1], true), ("MAKE", &[1, 0, 0], false), ("UXBZO", &[0, 1, 1], false)];
    assert_eq!(rows, expected.map(|(sequence, bits, binds)| (sequence.to_string(), bits, binds)));
    assert_eq!(pairs.protein(0).motif, None);
}

#[test]
fn another_column_may_hold_the_fingerprint() {
    let folder = folder(INTERACTIONS, PROTEINS, COMPOUNDS);
    let pairs =
        Pairs::load(folder.path(), PairSplit::Test, &PairOptions::default().fingerprint("morgan_fp_r1")).unwrap();
    assert_eq!(pairs.drugs[0].fingerprint, [1]);
}

#[test]
fn pairs_of_unknown_proteins_or_drugs_are_left_out_and_counted_on_request() {
    let skip = |interactions: &str| {
        let options = PairOptions::default().skip_unknown(true);
        Pairs::load(folder(interactions, PROTEINS, COMPOUNDS).path(), PairSplit::Test, &options)
    };
    let pairs = skip("Protein_ID,Compound_ID,Label\nP3,C1,1\nP1,C2,0\nP1,C3,1\n").unwrap();
    assert_eq!((pairs.len(), pairs.left_out, pairs.protein(0).id.as_str()), (1, 2, "P1"));
    assert_eq!(skip(INTERACTIONS).unwrap().left_out, 0);
    let error = skip("Protein_ID,Compound_ID,Label\nP3,C1,1\n").unwrap_err().to_string();
    assert!(error.contains("test_dti.csv") && error.contains("none of the 1 rows"), "{error}");
}

#[test]
fn ids_of_residues_are_the_authors() {
    let protein = Protein::new("all", RESIDUES).unwrap();
    assert_eq!(protein.residues, (1..=25).collect::<Vec<u8>>());
    assert_eq!(protein.sequence(), RESIDUES);
    // As the authors' script encodes them.
    assert_eq!(Protein::new("some", "AWKPZ").unwrap().residues, [1, 6, 18, 20, 25]);
}

#[test]
fn every_mistake_is_told_with_its_file_and_line() {
    let cases: &[([&str; 3], &str, &[&str])] = &[
        // Interactions.
        (["Protein_ID,Compound_ID\nP1,C1\n", PROTEINS, COMPOUNDS], "test_dti.csv, line 1", &["`Label`", "Compound_ID"]),
        (["Protein_ID,Compound_ID,Label\n", PROTEINS, COMPOUNDS], "test_dti.csv, line 1", &["no rows"]),
        (["", PROTEINS, COMPOUNDS], "test_dti.csv, line 1", &["no column `Protein_ID`"]),
        (
            ["Protein_ID,Compound_ID,Label\nP1,C1,1\nP1,C1,2\n", PROTEINS, COMPOUNDS],
            "test_dti.csv, line 3",
            &["`2`", "0 or 1"],
        ),
        (
            ["Protein_ID,Compound_ID,Label\nP3,C1,1\n", PROTEINS, COMPOUNDS],
            "test_dti.csv, line 2",
            &["no protein P3", "test_protein.csv"],
        ),
        (
            ["Protein_ID,Compound_ID,Label\nP1,C3,1\n", PROTEINS, COMPOUNDS],
            "test_dti.csv, line 2",
            &["no compound C3", "test_compound.csv"],
        ),
        (
            ["Protein_ID,Compound_ID,Label\nP1,C1\n", PROTEINS, COMPOUNDS],
            "test_dti.csv, line 2",
            &["rows of equal length"],
        ),
        (
            ["Label,Protein_ID,Compound_ID,Label\n1,P1,C1,1\n", PROTEINS, COMPOUNDS],
            "test_dti.csv, line 1",
            &["two columns", "`Label`"],
        ),
        // Proteins.
        (
            [INTERACTIONS, "Protein_ID,Sequence\nP1,MA\nP2,MJ\n", COMPOUNDS],
            "test_protein.csv, line 3",
            &["`J`", "position 2", "P2"],
        ),
        ([INTERACTIONS, "Protein_ID,Sequence\nP1,ma\n", COMPOUNDS], "test_protein.csv, line 2", &["`m`", RESIDUES]),
        ([INTERACTIONS, "Protein_ID,Sequence\nP1,\n", COMPOUNDS], "test_protein.csv, line 2", &["P1 has no sequence"]),
        (
            [INTERACTIONS, "Protein_ID,Sequence\nP1,M\nP2,M\nP1,M\n", COMPOUNDS],
            "test_protein.csv, line 4",
            &["P1", "line 2"],
        ),
        (
            [INTERACTIONS, "Protein_ID,Sequence\n,M\n", COMPOUNDS],
            "test_protein.csv, line 2",
            &["`Protein_ID` is empty"],
        ),
        ([INTERACTIONS, "Protein_ID,Sequence\n", COMPOUNDS], "test_protein.csv, line 1", &["no rows"]),
        // Compounds.
        (
            [INTERACTIONS, PROTEINS, "Compound_ID,morgan_fp_r2\nC1,0\t1\nC2,0\n"],
            "test_compound.csv, line 3",
            &["C2 has 1 bits", "2"],
        ),
        (
            [INTERACTIONS, PROTEINS, "Compound_ID,morgan_fp_r2\nC1,0\t3\n"],
            "test_compound.csv, line 2",
            &["bit 2", "`3`"],
        ),
        ([INTERACTIONS, PROTEINS, "Compound_ID,morgan_fp_r2\nC1,\n"], "test_compound.csv, line 2", &["bit 1"]),
        (
            [INTERACTIONS, PROTEINS, "Compound_ID,morgan_fp_r3\nC1,0\n"],
            "test_compound.csv, line 1",
            &["`morgan_fp_r2`", "morgan_fp_r3"],
        ),
        (
            [INTERACTIONS, PROTEINS, "Compound_ID,morgan_fp_r2\nC1,0\nC1,0\n"],
            "test_compound.csv, line 3",
            &["C1", "line 2"],
        ),
    ];
    for ([interactions, proteins, compounds], place, words) in cases {
        let message = load(folder(interactions, proteins, compounds).path()).unwrap_err().to_string();
        for word in [place].into_iter().chain(*words) {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    }
}

#[test]
fn a_missing_file_and_text_that_is_not_utf8_are_named() {
    let folder = folder(INTERACTIONS, PROTEINS, COMPOUNDS);
    write(folder.path(), "test_dataset/test_protein.csv", b"Protein_ID,Sequence\nP1,M\nP2,\xff\n");
    let error = load(folder.path()).unwrap_err();
    assert!(error.to_string().contains("test_protein.csv, line 3") && error.source().is_some(), "{error}");
    std::fs::remove_file(folder.path().join("test_dataset/test_compound.csv")).unwrap();
    assert!(load(folder.path()).unwrap_err().to_string().contains("test_compound.csv is missing"));
    let message = Pairs::load(folder.path(), PairSplit::Training, &PairOptions::default()).unwrap_err().to_string();
    assert!(message.contains("training_dataset") && message.contains("is missing"), "{message}");
}

#[test]
fn batches_hold_every_pair_once_padded_in_front() -> CandleResult<()> {
    let pairs = load(folder(INTERACTIONS, PROTEINS, COMPOUNDS).path()).unwrap();
    let mut batches = pairs.batches(2, Order::Sequential, 5, &Device::Cpu);
    assert_eq!(batches.len(), 2);
    let ([ids, bits], targets) = batches.next().unwrap()?;
    assert_eq!(ids.to_vec2::<u32>()?, [[0, 11, 1, 18, 15], [0, 11, 1, 18, 15]]);
    assert_eq!(bits.to_vec2::<f32>()?, [[0., 1., 1.], [1., 0., 0.]]);
    assert_eq!(targets.to_vec1::<f32>()?, [1., 0.]);
    let ([ids, _], _) = batches.next().unwrap()?;
    assert_eq!(ids.to_vec2::<u32>()?, [[22, 23, 24, 25, 21]]);
    assert!(batches.next().is_none());
    for (batch_size, length) in [(0, 5), (2, 0)] {
        assert!(pairs.batches(batch_size, Order::Sequential, length, &Device::Cpu).all(|batch| batch.is_err()));
    }
    assert!(pairs.batch(&[3], 5, &Device::Cpu).unwrap_err().to_string().contains("no pair 3"));
    Ok(())
}

#[test]
fn a_shuffled_epoch_holds_every_pair_once() -> CandleResult<()> {
    let pairs = PlantedMotifs::new(0).lengths(50..=60).pairs(PairSplit::Training, 50).unwrap();
    let rows = |order| -> CandleResult<Vec<Vec<u32>>> {
        let batches = pairs.batches(8, order, 60, &Device::Cpu).map(|batch| batch?.0[0].to_vec2::<u32>());
        Ok(batches.collect::<CandleResult<Vec<_>>>()?.concat())
    };
    let (mut shuffled, mut plain) = (rows(Order::Shuffled { seed: 1, epoch: 0 })?, rows(Order::Sequential)?);
    assert_ne!(shuffled, plain);
    shuffled.sort();
    plain.sort();
    assert_eq!(shuffled, plain);
    Ok(())
}

#[test]
fn the_motif_keeps_its_residues_when_the_sequence_is_padded_or_cut() {
    let pairs = PlantedMotifs::new(1).lengths(50..=100).pairs(PairSplit::Test, 100).unwrap();
    let mut cut = 0;
    for protein in pairs.proteins.iter() {
        let (motif, residues) = (protein.motif.clone().unwrap(), &protein.residues);
        for length in [70, 100, 200] {
            let padded = protein.padded(length);
            match protein.padded_motif(length) {
                Some(place) => {
                    let expected: Vec<u32> = residues[motif.clone()].iter().map(|&id| id.into()).collect();
                    assert_eq!(padded[place], expected);
                }
                None => {
                    assert!(motif.start + length < residues.len());
                    cut += 1;
                }
            }
        }
    }
    assert!(cut > 0);
}
