//! The page of a folder of suites.
