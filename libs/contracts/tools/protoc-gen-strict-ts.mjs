// A protoc plugin: ts-proto, with decoders that refuse damaged input.
//
// ts-proto stops quietly at a zero tag or a stray group end, does not check that an embedded message ends where its
// length says, and does not tell which integer is beyond 2^53. Its output is edited here, and a change of its shape that would undo an edit fails the build.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path/posix';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

/** Where buf puts the output, below the library's src. */
const GEN = 'gen';

const WIRE_IMPORT = /^import \{ BinaryReader, BinaryWriter \} from "@bufbuild\/protobuf\/wire";$/m;
const DECODER = /__tsProtoDecodeDepth \?\? 0/g;
const SKIP = /if \(\(tag & 7\) === 4 \|\| tag === 0\) \{\s*break;\s*\}\s*reader\.skip\(tag & 7\);/g;
const RETURN = /^( *)return message;\n( *)\} finally \{/gm;
const PACKED = /^( *)(const (end\d+) = reader\.uint32\(\) \+ reader\.pos;[^}]*\})\n/gm;
const PACKED_START = /= reader\.uint32\(\) \+ reader\.pos;/g;
const LONG = /(?:message\.(\w+) = |\$case: "(\w+)", value: )longToNumber\(reader\.u?int64\(\)/g;
const LONG_READ = /longToNumber\(reader\./g;
const LONG_PARAMETER = 'function longToNumber(int64: { toString(): string }): number {';
const LONG_THROW = /throw new globalThis\.Error\("Value is \w+ than Number\.M\w+_SAFE_INTEGER"\);/g;

const count = (text, pattern) => [...text.matchAll(pattern)].length;

function strict(name, content) {
  const decoders = count(content, DECODER);
  if (decoders === 0) {
    return content;
  }
  const found = [count(content, SKIP), count(content, RETURN), WIRE_IMPORT.test(content) ? decoders : 0];
  if (found.some((n) => n !== decoders) || count(content, PACKED) !== count(content, PACKED_START)) {
    throw new Error(`${name}: ts-proto's output has changed; adapt ${import.meta.filename ?? 'this plugin'}`);
  }
  return namedIntegers(name, content)
    .replace(
      WIRE_IMPORT,
      `import { BinaryWriter } from "@bufbuild/protobuf/wire";\nimport { StrictReader as BinaryReader } from "${source(name, 'strict-reader.js')}";`,
    )
    .replace(SKIP, 'reader.skipField(tag);')
    .replace(RETURN, '$1reader.expectEnd(end);\n$1return message;\n$2} finally {')
    .replace(PACKED, '$1$2\n$1reader.expectEnd($3);\n');
}

/** Each 64-bit integer is read with its field's name, for the error. */
function namedIntegers(name, content) {
  const reads = count(content, LONG_READ);
  const helpers = reads === 0 ? 0 : 1;
  const found = [count(content, LONG), content.split(LONG_PARAMETER).length - 1, count(content, LONG_THROW)];
  if (found.join() !== [reads, helpers, 2 * helpers].join()) {
    throw new Error(`${name}: ts-proto's integers have changed; adapt ${import.meta.filename ?? 'this plugin'}`);
  }
  if (reads === 0) {
    return content;
  }
  return content
    .replace(WIRE_IMPORT, `$&\nimport { unsafeInteger } from "${source(name, 'unsafe-integer.js')}";`)
    .replace(LONG, (read, field, member) => `${read}, "${snakeCase(field ?? member)}"`)
    .replace(LONG_PARAMETER, 'function longToNumber(int64: { toString(): string }, field: string): number {')
    .replace(LONG_THROW, 'throw unsafeInteger(field);');
}

/** The import path of one of our own sources from a generated file. */
const source = (name, file) => relative(dirname(join(GEN, name)), file);

const snakeCase = (key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Maps a CodeGeneratorResponse: `file` is field 15, with name 1 and content 15. */
function rewrite(response) {
  const reader = new BinaryReader(response);
  const writer = new BinaryWriter();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 15) {
      const file = fileOf(reader.bytes());
      writer.tag(15, 2).fork().tag(1, 2).string(file.name).tag(15, 2).string(strict(file.name, file.content)).join();
    } else {
      writer.tag(field, wireType).raw(reader.skip(wireType, field));
    }
  }
  return writer.finish();
}

function fileOf(bytes) {
  const reader = new BinaryReader(bytes);
  const file = { name: '', content: '' };
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) {
      file.name = reader.string();
    } else if (field === 15) {
      file.content = reader.string();
    } else {
      reader.skip(wireType, field);
    }
  }
  return file;
}

const plugin = createRequire(import.meta.url).resolve('ts-proto/protoc-gen-ts_proto');
const generated = spawnSync(process.execPath, [plugin], {
  input: readFileSync(0),
  maxBuffer: 256 * 1024 * 1024,
  stdio: ['pipe', 'pipe', 'inherit'],
});
if (generated.status !== 0) {
  process.exit(generated.status ?? 1);
}
const output = rewrite(generated.stdout);
for (let at = 0; at < output.length;) {
  at += writeSync(1, output, at);
}
