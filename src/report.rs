//! What leaves a run: tables, JSON, Parquet, figures, pages.
