import { CutCluster, FIRST, METAS, SECOND } from '../harness/cut-cluster.js';
import { leaderOf } from '../harness/leader.js';
import { LOSSES } from '../harness/network.js';

/** Leases have to run out, several times. */
jest.setTimeout(180_000);

/** What of a question and its answer is lost: there is no answer to a question that was not heard. */
const QUESTION_LOSSES = ['everything', 'what it hears'] as const;

describe('a network that is cut between any two processes', () => {
  let cut: CutCluster;

  beforeAll(async () => {
    cut = await CutCluster.start();
  });

  afterAll(() => cut[Symbol.asyncDispose]());

  it.each(LOSSES)('a broker and the gateway without meta-servers go on (they lose %s)', (loss) =>
    cut.unnoticed(
      [
        [FIRST, METAS],
        ['gateway', METAS],
      ],
      loss,
    ),
  );

  it.each(QUESTION_LOSSES)('a leader without its database is followed, and nothing moves (it loses %s)', (loss) =>
    cut.ledByAnother(loss),
  );

  it('so far no publisher has seen an error', () => {
    const { ledger } = cut.load;
    expect([ledger.count('unknown'), ledger.count('refused')]).toEqual([0, 0]);
  });

  it('each pair may be cut that has another way; what is under way on a line may have no outcome', async () => {
    const leader = (await leaderOf(cut.cluster.processes)).process.title;
    await cut.unnoticed(
      [
        [FIRST, ['metadata']],
        [SECOND, [leader]],
        ['gateway', [FIRST]],
      ],
      'everything',
    );
  });

  it.each(QUESTION_LOSSES)(
    'a broker without anything is followed at higher epochs, and comes back (it loses %s)',
    (loss) => cut.takenOver([...METAS, 'metadata', 'storage'], loss),
  );

  it('a broker without its storage alone is followed, and comes back', () => cut.takenOver(['storage'], 'everything'));

  it('nothing that was acknowledged is lost, and no record of an earlier epoch stands behind one of a later', async () => {
    await cut.load.check({ mayFail: true });
    await cut.checkEpochs();
  });
});
