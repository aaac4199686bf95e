import { connect } from 'node:net';
import { Connections } from './connections.js';

describe('connections', () => {
  it('cuts a client that says nothing', async () => {
    const connections = new Connections(() => undefined, 20);
    const port = await connections.listen('127.0.0.1', 0);
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve) => socket.on('close', resolve));
    connections.refuse();
  });

  it('cuts all that is open when told to', async () => {
    let accepted!: () => void;
    const open = new Promise<void>((resolve) => {
      accepted = resolve;
    });
    const connections = new Connections(() => {
      accepted();
    });
    const socket = connect(await connections.listen('127.0.0.1', 0), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    await open;
    connections.refuse();
    connections.cut();
    await closed;
  });
});
