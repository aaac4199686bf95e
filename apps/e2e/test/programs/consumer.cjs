// A consumer whose decisions are made elsewhere: `consumer.cjs CONNECT-OPTIONS TOPIC GROUP NAME` prints a line of JSON for
// each delivery, holds it until a line `ID` on stdin says to acknowledge it, and prints what became of that.
const { createInterface } = require('node:readline');
const { connect, stringCodec } = require('@hermes/client');

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

async function main(options, topic, group, name) {
  const hermes = await connect(JSON.parse(options));
  const held = new Map();
  createInterface({ input: process.stdin }).on('line', (id) => {
    const settled = held.get(id).ack();
    settled.then(
      () => say({ settled: id }),
      (error) => say({ refused: id, code: error.code }),
    );
  });
  for await (const delivery of hermes.consumer(topic, group, { name, codec: stringCodec })) {
    const { id, body, attempt, fencingToken } = delivery;
    held.set(id, delivery);
    say({ delivered: { id, body, attempt, fencingToken } });
  }
}

main(...process.argv.slice(2)).catch((error) => {
  say({ ended: error.code ?? String(error) });
  process.exit(1);
});
