/// Adjusts p-values for multiple tests (Holm 1979) and keeps their order: if those below α are called significant, the
/// probability of any false positive among them is at most α.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&i, &j| p[i].total_cmp(&p[j]));
    let (mut adjusted, mut largest) = (vec![0.; p.len()], 0f64);
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[i]).min(1.);
        adjusted[i] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjusted_values_are_the_known_ones() {
        // By hand: 4 × 0.005, 3 × 0.01, 2 × 0.03, and 1 × 0.04, which may not be less than the one before.
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (ours, known) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((ours - known).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.6, 0.02]), [0.6, 0.04]);
        assert_eq!(holm(&[0.7, 0.8]), [1., 1.]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn no_value_falls_and_their_order_stays() {
        let p = [0.2, 0.001, 0.9, 0.04, 0.04, 0.013];
        let adjusted = holm(&p);
        for (i, j) in (0..p.len()).flat_map(|i| (0..p.len()).map(move |j| (i, j))) {
            assert!(adjusted[i] >= p[i] && (p[i] > p[j] || adjusted[i] <= adjusted[j]), "{adjusted:?}");
        }
    }
}
