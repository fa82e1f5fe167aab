//! Pages of a Parquet column, held against what they say of themselves before they are decoded.
//!
//! The decoder takes the head of a page at its word: a dictionary that is missing or has billions of entries, or levels
//! longer than the page, end the program instead of the reading. Damaged files have such heads.

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescPtr;

/// Pages that can be decoded.
pub(super) struct CheckedPages {
    pages: Box<dyn PageReader>,
    column: ColumnDescPtr,
    has_dictionary: bool,
}

impl CheckedPages {
    pub(super) fn new(pages: Box<dyn PageReader>, column: ColumnDescPtr) -> Self {
        Self { pages, column, has_dictionary: false }
    }

    fn check(&mut self, page: &Page) -> Result<()> {
        let bytes = page.buffer().len();
        match page {
            Page::DictionaryPage { num_values, .. } => {
                // No value takes less than a bit.
                if *num_values as usize > 8 * bytes {
                    return Err(broken(&format!("a dictionary of {num_values} values in {bytes} bytes")));
                }
                self.has_dictionary = true;
                return Ok(());
            }
            Page::DataPage { num_values, def_level_encoding, rep_level_encoding, .. } => {
                // The length of levels in the encoding before RLE follows from their number.
                let (repetition, definition) = (self.column.max_rep_level(), self.column.max_def_level());
                if repetition > 0 && [rep_level_encoding, def_level_encoding].iter().any(|own| **own != Encoding::RLE) {
                    return Err(broken("levels of lists in an encoding that is no longer used"));
                }
                let bits = (i16::BITS - definition.leading_zeros()) as usize;
                if *def_level_encoding != Encoding::RLE && (*num_values as usize * bits).div_ceil(8) > bytes {
                    return Err(broken(&format!("levels of {num_values} values in {bytes} bytes")));
                }
            }
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                if levels > bytes {
                    return Err(broken(&format!("levels of {levels} bytes in {bytes}")));
                }
            }
        }
        let by_dictionary = matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if by_dictionary && !self.has_dictionary {
            return Err(broken("values of a dictionary that is not there"));
        }
        Ok(())
    }
}

fn broken(what: &str) -> ParquetError {
    ParquetError::General(format!("a page has {what}"))
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.iter().try_for_each(|page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
