// Package baseline learns what is usual of a key's values, and says how far a value is from it.
//
// A [Model] works on the bytes of one key, at most 1 KiB, without pointers: copying the bytes copies what was learned. For each event a task first
// reads, which changes nothing, and then lets the model learn:
//
//	m, _ := baseline.New(baseline.Spec{Season: baseline.HourOfWeek, History: baseline.HourOfWeek.History()})
//	state := make([]byte, m.Size()) // zero: empty
//	r := m.Read(state, baseline.Query{MinSamples: 20}, at, x)
//	m.Absorb(state, at, x)
//
// So a value is scored by what was before it. Score is in standard deviations, positive above what is expected; P is how probable it is that
// a usual value is as far off. Both take the shape of the values into account: a score of 4 is as rare for skewed values as for normal ones.
//
// # What is learned
//
// The first 16 samples: level L is their median, S is 1.4826 times the median distance from it, or where that is zero 1.2533 times the mean
// distance. From then on each sample x moves them a little (robust M-estimates in the form of stochastic approximation: Huber 1964, Robbins and
// Monro 1951), n being the weight of the past, the sample included:
//
//	z = clamp(T((x - L)/S), -3, 3)        L += S·z/n        S² += (S²·z²/0.99501 - S²)/n
//
// so that a single value, however far off, counts as one of three standard deviations. 0.99501 is the mean of min(Z², 9) of a normal Z. T takes
// out the skew g, of the distribution that Tukey (1977) calls g, which is normal for g = 0 and log-normal for others:
//
//	T(y) = ln(1 + g·y)/g     for g·y < -0.95 along its tangent there, for |g| < 1e-9: y
//
// g is learned from the third Hermite polynomial, whose mean is zero when g is right, about the mean z̄ of the last few z, because a drift is no skew:
//
//	h = clamp(z - z̄, -3, 3)     g += (h³ - 3h)/3/(n + 30), kept within ±1.5     z̄ += (z - z̄)/16
//
// where n, with a season, is the weight of what its noise was learned from, once it is.
//
// The step q is the least distance that there was between a sample and the one before it. No standard deviation is less, so that values in
// steps (counts, a sensor that rounds) do not stand out by one of them. As long as all samples are equal, |L|/100 stands in for q.
//
// # How it forgets
//
// With each sample that is Δ later than the newest one so far, the weight n of the past becomes n·H/(H+Δ), H being the history, and then one
// more. For samples that come regularly it approaches H/Δ, and a sample of age a weighs e^(-a/H): after H, 37 %. A key without a sample for more
// than H begins anew. A sample out of order learns like any other, in the order of arrival, in the season's hour of its own time; it makes nothing older.
//
// A change of the level is not waited for: a sample beyond ±3 counts two, any other takes one off, and at 32 level and scale begin anew with the
// last 16 samples (n = 16). A change by 4 standard deviations or more is usual after 40 samples.
//
// # Seasons
//
// With a season each hour of the day, or of the week, has a level of its own, Lb, relative to a base B that moves with a change of the level. While
// samples come in one hour (a visit), Lb rests; when the next hour has one, or the same one of another day, it learns the mean of what the
// visit's samples asked for, expected + scale·z, by its weight c, with v the number of the visit's samples but at most V, C = V·⌊H/period⌋, V = max(1, ⌊240/⌊H/period⌋⌋):
//
//	Lb += (mean - Lb)·v/(c + v)        c = min(c + v, C, 255)
//
// Nothing is known until one whole period is past. Then the noise N² is learned as S² is, from z = T((x - B - Lb)/(N·√(1 + 1/c))), beginning with
// the scale of the last 16 differences from what was expected, as 2 samples, and with a weight of its own; it is at most S². A season's level is trusted as far as it is known (empirical Bayes, James and Stein 1961): with T² = S² - N²
//
//	w = c·T²/(c·T² + N²)       expected = L + w·(B + Lb - L)       variance = N² + T²·(1 - w)
//
// so that an hour that was never seen expects the level of all, with the scale of all, and so that a season that is none costs nothing. Without a
// season expected is L and the variance S².
//
// # Score and probability
//
// With scale = max(√(variance·(1 + 1.5/n)), q), and n the weight of what the variance was learned from:
//
//	t = T((value - expected)/scale)
//	score = sign(t)·(8f + 1)/(8f + 3)·√(f·ln(1 + t²/f)),  f = max(1, n/2), at most 100
//	p = 2·Q(|score|)
//
// which is Wallace's (1959) approximation of what Student's t of f degrees of freedom is as a normal deviate: few samples make no large scores.
// Q is the upper tail of the normal distribution. With a direction p is Q(score), and values on the other side score 0 with p 1, as do values
// whose distance from what is expected is below the least deviation. Lower and Upper are where the score would be ±3, or the least deviation.
//
// # What to expect of it
//
// The package's tests hold it to this, on noise that is Gaussian, log-normal (σ 0.5 and 1), Poisson (20 and 100) and of a daily season, from the
// 1500th sample on: |score| ≥ 3 for 0.27 % of the values, within a factor of two; |score| ≥ 4 for at most twice 0.0063 %. Of Poisson with a mean
// of 3 there are at most as many. From the 20th to the 100th sample at most twice as many at 3 for Gaussian and Poisson, and five times for
// log-normal (0.5).
//
// For 39 of 40 keys, behind 5000 samples with Gaussian noise, with and without a daily season: a spike by 8 standard deviations is found at once (|score| ≥ 4), a shift of the
// level by 6 within 10 samples, by 5 within 20, a drift by one in 100 samples within 500; a sensor that is stuck while the day goes on by 24 within
// 120 samples of 5 minutes. Without a season, a value that was usual stays so when it repeats: ask for that by a window of events.
//
// # Arithmetic
//
// float64, in the order of the formulas, and every product is rounded by itself, so that no compiler fuses it into a sum; ln, exp and Q are this
// package's own. The same log gives the same bits on every machine.
package baseline
