// A CommonJS program with nothing but the published packages: publishes one message.
const { connect, RetryLater, DeadLetter } = require('@hermes/client');
const { murmur2 } = require('@hermes/contracts');
const { Backoff } = require('@hermes/runtime');

async function main(gateway) {
  const hermes = await connect({ gateway });
  await hermes.admin.ensureTopic({ name: 'plain' });
  await hermes.admin.ensureGroup({ topic: 'plain', name: 'readers' });
  const { id } = await hermes.producer('plain').publish({ from: 'CommonJS' }, { key: 'k' });
  await hermes.close();
  const functions = [RetryLater, DeadLetter, murmur2, Backoff].map((one) => typeof one);
  console.log(JSON.stringify({ published: id.split('/')[0], functions }));
}

main(process.argv[2]);
