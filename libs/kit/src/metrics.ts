import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Values of a metric's labels; each must be bounded: no keys, no message ids. */
export type Labels<L extends string> = Readonly<Record<L, string>>;

/** Only grows. */
export interface CounterMetric<L extends string = never> {
  add(value?: number, labels?: Labels<L>): void;
}

/** Goes up and down. */
export interface GaugeMetric<L extends string = never> {
  set(value: number, labels?: Labels<L>): void;
}

/** Counts observations in buckets. */
export interface HistogramMetric<L extends string = never> {
  observe(value: number, labels?: Labels<L>): void;
}

/** What all metrics have. */
export interface MetricOptions<L extends string> {
  readonly help: string;
  readonly labels?: readonly L[];
}

/** The metrics of one component. A name is `<what>_<unit>`: `publish_bytes`, `queue_messages`, `settle_seconds`. */
export interface Metrics {
  /** Exported as `hermes_<component>_<name>_total`. */
  counter<L extends string = never>(name: string, options: MetricOptions<L>): CounterMetric<L>;
  /** Exported as `hermes_<component>_<name>`; `read`, if given, is asked at each scrape. */
  gauge<L extends string = never>(
    name: string,
    options: MetricOptions<L> & { readonly read?: () => number },
  ): GaugeMetric<L>;
  /** Exported as `hermes_<component>_<name>`. */
  histogram<L extends string = never>(
    name: string,
    options: MetricOptions<L> & { readonly buckets?: readonly number[] },
  ): HistogramMetric<L>;
  /** All values in Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** Buckets for durations in seconds: from a memory hit to a request's default deadline. */
export const SECONDS_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Makes a registry of its own, so that several components live in one process. */
export function createMetrics(component: string): Metrics {
  const registry = new Registry();
  const prefix = `hermes_${component.replaceAll('-', '_')}_`;
  const common = <L extends string>(name: string, { help, labels = [] }: MetricOptions<L>) => ({
    name: `${prefix}${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  });
  return {
    counter: (name, options) => {
      const counter = new Counter(common(`${name}_total`, options));
      return {
        add: (value = 1, labels) => {
          counter.inc({ ...labels }, value);
        },
      };
    },
    gauge: (name, options) => {
      const { read } = options;
      const gauge: Gauge = new Gauge({
        ...common(name, options),
        ...(read === undefined
          ? {}
          : {
              collect: () => {
                gauge.set(read());
              },
            }),
      });
      return {
        set: (value, labels) => {
          gauge.set({ ...labels }, value);
        },
      };
    },
    histogram: (name, options) => {
      const histogram = new Histogram({ ...common(name, options), buckets: [...(options.buckets ?? SECONDS_BUCKETS)] });
      return {
        observe: (value, labels) => {
          histogram.observe({ ...labels }, value);
        },
      };
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
