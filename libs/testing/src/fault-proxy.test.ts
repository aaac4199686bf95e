import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import { eventually } from './eventually.js';
import { FaultProxy } from './fault-proxy.js';

/** A server that notes what it gets and echoes it, and a proxy before it. */
async function setUp(): Promise<{
  proxy: FaultProxy;
  received: () => string;
  dial: () => Promise<{ socket: Socket; replies: () => string; ended: Promise<string> }>;
  [Symbol.asyncDispose]: () => Promise<void>;
}> {
  let received = '';
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      received += bytes.toString();
      socket.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await FaultProxy.open({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  const dial = async (): ReturnType<Awaited<ReturnType<typeof setUp>>['dial']> => {
    const socket = connect(proxy.port, proxy.host);
    let replies = '';
    socket.on('data', (bytes) => (replies += bytes.toString()));
    const ended = new Promise<string>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code ?? 'error');
      });
      socket.on('end', () => {
        resolve('end');
      });
    });
    await once(socket, 'connect');
    return { socket, replies: () => replies, ended };
  };
  const dispose = async (): Promise<void> => {
    await proxy.close();
    server.close();
    await once(server, 'close');
  };
  return { proxy, received: () => received, dial, [Symbol.asyncDispose]: dispose };
}

describe('FaultProxy', () => {
  it('passes bytes and ends both ways, and knows what is open', async () => {
    await using scene = await setUp();
    const client = await scene.dial();
    client.socket.write('hello');
    await eventually(() => client.replies() === 'hello');
    expect(scene.proxy.connections).toBe(1);
    client.socket.end();
    expect(await client.ended).toBe('end');
    await eventually(() => scene.proxy.connections === 0);
  });

  it('delays in order', async () => {
    await using scene = await setUp();
    const client = await scene.dial();
    scene.proxy.set({ delayMs: 30 });
    const startedMs = performance.now();
    client.socket.write('a');
    await eventually(() => scene.received() === 'a');
    client.socket.write('b');
    await eventually(() => client.replies() === 'ab');
    // Each way once at least; how much longer is the machine's affair.
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(60);
  });

  it('holds requests of a client that gave up, and delivers them once healed', async () => {
    await using scene = await setUp();
    const client = await scene.dial();
    client.socket.write('before ');
    await eventually(() => client.replies() === 'before ');
    scene.proxy.set({ requests: 'hold' });
    client.socket.end('late');
    await once(client.socket, 'finish');
    const other = await scene.dial();
    expect([scene.received(), scene.proxy.connections]).toEqual(['before ', 2]);
    scene.proxy.heal();
    await eventually(() => scene.received() === 'before late');
    other.socket.write('!');
    await eventually(() => other.replies() === '!');
  });

  it('drops replies to what the server has executed, and resets that connection when healed', async () => {
    await using scene = await setUp();
    const client = await scene.dial();
    scene.proxy.set({ replies: 'drop' });
    client.socket.write('executed');
    await eventually(() => scene.received() === 'executed');
    // The reply has come as far as the proxy once a later connection's has.
    scene.proxy.set({ replies: 'pass' });
    const other = await scene.dial();
    other.socket.write('!');
    await eventually(() => other.replies() === '!');
    scene.proxy.heal();
    expect([await client.ended, client.replies()]).toEqual(['ECONNRESET', '']);
    other.socket.write('?');
    await eventually(() => other.replies() === '!?');
  });

  it('resets in the middle of a message', async () => {
    await using scene = await setUp();
    const client = await scene.dial();
    client.socket.write('1');
    await eventually(() => client.replies() === '1');
    scene.proxy.resetAfter('requests', 3);
    client.socket.write('abcdef');
    expect(await client.ended).toBe('ECONNRESET');
    await eventually(() => scene.received() === '1abc');
  });

  it('cuts and resets what is open, and refuses what comes', async () => {
    await using scene = await setUp();
    const [first, second] = [await scene.dial(), await scene.dial()];
    await eventually(() => scene.proxy.connections === 2);
    scene.proxy.cut();
    expect(await Promise.all([first.ended, second.ended])).toEqual(['end', 'end']);
    const third = await scene.dial();
    await eventually(() => scene.proxy.connections === 1);
    scene.proxy.reset();
    expect(await third.ended).toBe('ECONNRESET');
    scene.proxy.set({ refuse: true });
    // The reset may overtake the news of the connection.
    const refused = scene.dial().then(
      ({ ended }) => ended,
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );
    expect(await refused).toBe('ECONNRESET');
    scene.proxy.heal();
    const last = await scene.dial();
    last.socket.write('x');
    await eventually(() => last.replies() === 'x');
  });
});
