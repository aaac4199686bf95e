// Whole clusters start and fail here: a test may take minutes.
jest.setTimeout(240_000);
