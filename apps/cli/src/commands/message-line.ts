import { type Message } from '@hermes/contracts';

/** Longer bodies are cut in the table; `-o json` has them whole. */
const BODY_CHARS_MAX = 2_000;

/** One message on one line: id, what is special about it, and its body. */
export function messageLine(id: string, message: Message | undefined, attempt = 1): string {
  const notes = [
    ...(attempt > 1 ? [`attempt=${attempt}`] : []),
    ...(message?.key ? [`key=${printable(message.key)}`] : []),
    ...(message?.refKey ? [`ref-key=${printable(message.refKey)}`] : []),
    ...[...(message?.attributes ?? [])].map(([name, value]) => `${printable(name)}=${printable(value)}`),
  ];
  return [id, ...notes, bodyText(message?.body ?? Buffer.alloc(0))].join('  ');
}

/** A body as text for people, or its size. */
export function bodyText(body: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    return text.length > BODY_CHARS_MAX ? `${printable(text.slice(0, BODY_CHARS_MAX))}…` : printable(text);
  } catch {
    // No text: its size says more than garbled characters.
    return `<${body.length} bytes>`;
  }
}

/** Control characters would move the cursor, or worse, of whoever looks. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => ESCAPES.get(character) ?? hexEscape(character));
}

const ESCAPES = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
]);

function hexEscape(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16) ?? ''}}`;
}
