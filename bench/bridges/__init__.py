"""What the job `bridge` races, a module for each library: its own recurrent layers, and the same on fastgru's kernels.

A module offers ``variants(accelerated, arrays, threads)``: one `bench.variants.Variant` by name. `arrays` are those of
`bench.jobs.bridge.data`, the same for both, and so are the weights.
"""
