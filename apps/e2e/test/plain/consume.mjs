// An ES module with nothing but the published packages: consumes one message.
import { connect } from '@hermes/client';
import { Channels } from '@hermes/client/cluster';
import { LIMITS } from '@hermes/contracts';
import { systemClock } from '@hermes/runtime';

const hermes = await connect({ gateway: process.argv[2] });
for await (const delivery of hermes.consumer('plain', 'readers')) {
  await delivery.ack();
  console.log(
    JSON.stringify({ consumed: delivery.body, types: [Channels, LIMITS, systemClock].map((one) => typeof one) }),
  );
  break;
}
await hermes.close();
