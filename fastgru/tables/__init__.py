"""From a file of data to a trained model: columns, times, windows, scaling, baselines, a report."""
