import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { type AvroSchema, headBytes } from "../lib/avro";
import { columnsOf, type ParquetColumn } from "./columns";

/** Bytes of messages that are decoded at a time: one row group. A file of any size takes this much memory, some ten times. */
const rowGroupBytes = 4_194_304;

/** Columns of the schemas met: a schema is translated once. */
const columnsBySchema = new WeakMap<AvroSchema, readonly ParquetColumn[]>();

/**
 * A Parquet file (Snappy) with one row a message, in their order. Its metadata hold the Avro schema, with the units of
 * the fields, under the key that readers of Avro in Parquet look for.
 * @param messages - In Confluent's wire format, all of `schema`.
 */
export function encodeParquet(schema: AvroSchema, messages: readonly Buffer[]): Uint8Array {
  let columns = columnsBySchema.get(schema);
  if (!columns) columnsBySchema.set(schema, (columns = columnsOf(schema)));
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: [{ name: "root", num_children: columns.length }, ...columns.flatMap(({ elements }) => elements)],
    kvMetadata: [{ key: "parquet.avro.schema", value: JSON.stringify(schema.definition) }],
    createdBy: "usdf parquet-sink",
  });
  for (let first = 0; first < messages.length;) {
    let end = first;
    for (let bytes = 0; end < messages.length && bytes < rowGroupBytes; end++) bytes += messages[end]!.length;
    const records = messages.slice(first, end).map((message) => schema.read(message.subarray(headBytes)));
    const columnData = columns.map(({ name, convert }) => ({ name, data: records.map((one) => convert(one[name])) }));
    void file.write({ columnData, rowGroupSize: records.length }); // a writer to memory is never waited for
    first = end;
  }
  file.finish();
  return new Uint8Array(writer.getBuffer());
}
