//! Clicks as a Parquet file: written as they come, a group of rows at a time.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::Encoding;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use shortener::visit::{Kind, Visitor};

/// Columns in this order; what a later version adds comes behind them. None is a word of SQL, as `at` would be.
const SCHEMA: &str = "
message clicks {
  required binary event_id (STRING);
  required int64 clicked_at (TIMESTAMP(MILLIS, true));
  required binary tenant (STRING);
  required int64 link_id;
  required binary code (STRING);
  optional binary visitor (STRING);
  optional binary country (STRING);
  required binary device (STRING);
  required binary browser (STRING);
  required boolean bot;
  optional binary referrer (STRING);
  required int64 count;
}";
/// Of the columns above.
const VERSION: &str = "1";
/// Rows that are gathered before they are written: some 20 MB.
const GROUP_ROWS: usize = 65_536;

/// Clicks of one visitor on one link in one millisecond.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Of the event they came in.
    pub event_id: &'a str,
    /// When (Unix ms).
    pub at_ms: u64,
    /// Whose link.
    pub tenant: &'a str,
    /// Which.
    pub link_id: u64,
    /// Its code when it was followed.
    pub code: &'a str,
    /// Whose clicks, under the day's pseudonym.
    pub visitor: Visitor,
    /// From where, with what.
    pub kind: &'a Kind,
    /// How many.
    pub count: u64,
}

/// A file under way.
pub(super) struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: Vec<Column>,
    rows: usize,
}

/// The values of one column of the group under way.
enum Column {
    Text(Vec<ByteArray>),
    /// The values that are there, and for each row whether there is one.
    Maybe(Vec<ByteArray>, Vec<i16>),
    Number(Vec<i64>),
    Truth(Vec<bool>),
}

impl<W: Write + Send> Table<W> {
    /// A table without rows.
    pub(super) fn new(out: W) -> Result<Self, ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let version = KeyValue::new("orrery.clicks.version".to_owned(), VERSION.to_owned());
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("orrery ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![version]));
        // Moments hardly ever come twice, and lie close together.
        let at = ColumnPath::from("clicked_at");
        properties = properties
            .set_column_dictionary_enabled(at.clone(), false)
            .set_column_encoding(at, Encoding::DELTA_BINARY_PACKED);
        Ok(Self {
            file: SerializedFileWriter::new(out, schema, Arc::new(properties.build()))?,
            columns: Vec::new(),
            rows: 0,
        })
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row<'_>) -> Result<(), ParquetError> {
        let visitor = row.visitor.is_known().then(|| format!("{:016x}", row.visitor.0));
        let country = row.kind.country.map(|country| country.as_str().to_owned());
        let values = [
            Value::Text(row.event_id),
            Value::Number(row.at_ms),
            Value::Text(row.tenant),
            Value::Number(row.link_id),
            Value::Text(row.code),
            Value::Maybe(visitor.as_deref()),
            Value::Maybe(country.as_deref()),
            Value::Text(row.kind.device.as_str()),
            Value::Text(row.kind.browser.as_str()),
            Value::Truth(row.kind.bot),
            Value::Maybe(row.kind.referrer.as_deref()),
            Value::Number(row.count),
        ];
        if self.columns.is_empty() {
            self.columns = values.iter().map(Value::column).collect();
        }
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS {
            self.write_group()
        } else {
            Ok(())
        }
    }

    /// Writes what is left and the footer, and gives back what was written to.
    pub(super) fn finish(mut self) -> Result<W, ParquetError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        self.file.into_inner()
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in self.columns.drain(..) {
            let Some(writer) = group.next_column()? else { break };
            column.write(writer)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

/// One cell.
enum Value<'a> {
    Text(&'a str),
    Maybe(Option<&'a str>),
    Number(u64),
    Truth(bool),
}

impl Value<'_> {
    fn column(&self) -> Column {
        match self {
            Self::Text(_) => Column::Text(Vec::new()),
            Self::Maybe(_) => Column::Maybe(Vec::new(), Vec::new()),
            Self::Number(_) => Column::Number(Vec::new()),
            Self::Truth(_) => Column::Truth(Vec::new()),
        }
    }
}

impl Column {
    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Text(texts), Value::Text(text)) => texts.push(text.into()),
            (Self::Maybe(texts, levels), Value::Maybe(text)) => {
                levels.push(text.is_some().into());
                texts.extend(text.map(ByteArray::from));
            }
            // What is larger is no count and no moment of ours.
            (Self::Number(numbers), Value::Number(number)) => {
                numbers.push(i64::try_from(number).unwrap_or(i64::MAX));
            }
            (Self::Truth(truths), Value::Truth(truth)) => truths.push(truth),
            _ => unreachable!("a column has one kind of values"),
        }
    }

    fn write(self, mut writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        match self {
            Self::Text(texts) => writer.typed::<ByteArrayType>().write_batch(&texts, None, None)?,
            Self::Maybe(texts, levels) => {
                writer
                    .typed::<ByteArrayType>()
                    .write_batch(&texts, Some(&levels), None)?
            }
            Self::Number(numbers) => writer.typed::<Int64Type>().write_batch(&numbers, None, None)?,
            Self::Truth(truths) => writer.typed::<BoolType>().write_batch(&truths, None, None)?,
        };
        writer.close()
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;
    use shortener::visit::{Browser, Country, Device};

    use super::*;

    #[test]
    fn rows_read_back_over_several_groups_and_an_empty_table_too() {
        let kind = Kind {
            country: Country::parse("DE"),
            device: Device::Mobile,
            browser: Browser::Firefox,
            bot: true,
            referrer: Some("news.example".into()),
        };
        let untold = Kind::default();
        let mut table = Table::new(Vec::new()).unwrap();
        let rows = GROUP_ROWS as u64 + 2;
        for number in 0..rows {
            let even = number % 2 == 0;
            let row = Row {
                event_id: "e-1",
                at_ms: 1_767_225_600_000 + number,
                tenant: "acme",
                link_id: 7,
                code: "abc",
                visitor: Visitor(if even { 255 } else { 0 }),
                kind: if even { &kind } else { &untold },
                count: number,
            };
            table.add(&row).unwrap();
        }
        let bytes = bytes::Bytes::from(table.finish().unwrap());
        let reader = SerializedFileReader::new(bytes).unwrap();
        assert_eq!(reader.num_row_groups(), 2);
        let mut read = 0;
        for (row, number) in reader.get_row_iter(None).unwrap().zip(0_i64..) {
            let row = row.unwrap();
            assert_eq!(row.get_timestamp_millis(1).unwrap(), 1_767_225_600_000 + number);
            assert_eq!(row.get_long(11).unwrap(), number);
            assert_eq!(
                row.get_string(7).unwrap(),
                if number % 2 == 0 { "mobile" } else { "other" }
            );
            if number % 2 == 0 {
                assert_eq!(row.get_string(5).unwrap(), "00000000000000ff");
                assert_eq!(row.get_string(10).unwrap(), "news.example");
            } else {
                assert!(
                    row.get_string(5).is_err() && row.get_string(6).is_err(),
                    "there is none"
                );
            }
            read += 1;
        }
        assert_eq!(read, rows);

        let empty = Table::new(Vec::new()).unwrap().finish().unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(empty)).unwrap();
        assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
    }
}
