/** For tests in which storage must not fail: ends the run with the fault. */
export function failOnFatal(error: Error): void {
  throw error;
}
