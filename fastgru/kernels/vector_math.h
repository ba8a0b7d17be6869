/* exp, sigmoid and tanh without branches and without libm, so that loops over them become vector code, and exact to a
 * few units in the last place over the whole range, with NaN, infinities, signed zero and denormals kept.
 *
 * Everything rests on e^a for a <= 0, split as a = n ln 2 + f with |f| <= ln 2 / 2:
 *     e^a     = 2^n (1 + p)            p = e^f - 1, a polynomial
 *     e^a - 1 = 2^n p + (2^n - 1)      no cancellation near 0
 * Adding 1.5 * 2^(mantissa bits) rounds to a whole number and leaves it in the low bits, which works with the plainest
 * instruction set, where neither rint nor a conversion to 64-bit integers is a vector instruction.
 */
#ifndef FASTGRU_VECTOR_MATH_H
#define FASTGRU_VECTOR_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef REAL_IS_FLOAT
typedef float vm_real;
typedef uint32_t vm_bits;
enum { VM_MANTISSA = 23, VM_BIAS = 127, VM_GUARD = 64 };
#define vm_abs fabsf
#define vm_copysign copysignf
#define vm_sqrt sqrtf /* an instruction, of vectors too */
#define VM_ROUND 0x1.8p23f
#define VM_LN2_HIGH 0.693359375f
#define VM_LN2_LOW -2.12194440e-4f
#define VM_EXP_UNDERFLOW -104.0f /* e^x rounds to 0 below */
#define VM_TANH_IS_ONE -20.0f    /* tanh(-x / 2) rounds to 1 below */
#define VM_SIGMOID_IS_ONE -20.0f /* 1 + e^x rounds to 1 below */
#define VM_UNGUARD 0x1p-64f
/* (e^f - 1 - f) / f^2, minimax; coefficients of Cephes' expf (S. L. Moshier, Methods and Programs for Mathematical
 * Functions, 1989) */
static inline vm_real vm_tail(vm_real f)
{
    vm_real p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    return p * f + 5.0000001201e-1f;
}
#else
typedef double vm_real;
typedef uint64_t vm_bits;
enum { VM_MANTISSA = 52, VM_BIAS = 1023, VM_GUARD = 128 };
#define vm_abs fabs
#define vm_copysign copysign
#define vm_sqrt sqrt
#define VM_ROUND 0x1.8p52
#define VM_LN2_HIGH 6.93145751953125e-1
#define VM_LN2_LOW 1.42860682030941723212e-6
#define VM_EXP_UNDERFLOW -746.0
#define VM_TANH_IS_ONE -44.0
#define VM_SIGMOID_IS_ONE -40.0
#define VM_UNGUARD 0x1p-128
/* (e^f - 1 - f) / f^2 as its Taylor series: the next term is below 2^-56 of the sum for |f| <= ln 2 / 2 */
static inline vm_real vm_tail(vm_real f)
{
    vm_real p = 1.0 / 6227020800.0;
    p = p * f + 1.0 / 479001600.0;
    p = p * f + 1.0 / 39916800.0;
    p = p * f + 1.0 / 3628800.0;
    p = p * f + 1.0 / 362880.0;
    p = p * f + 1.0 / 40320.0;
    p = p * f + 1.0 / 5040.0;
    p = p * f + 1.0 / 720.0;
    p = p * f + 1.0 / 120.0;
    p = p * f + 1.0 / 24.0;
    p = p * f + 1.0 / 6.0;
    return p * f + 0.5;
}
#endif
#ifdef REAL_IS_FLOAT
/* erf(x) = x P(x^2) / Q(x^2) for |x| <= 4, where it rounds to 1: the rational function of Eigen's and XLA's erf */
static inline vm_real vm_erf(vm_real x)
{
    x = x < -4.0f ? -4.0f : x;
    x = x > 4.0f ? 4.0f : x;
    const vm_real s = x * x;
    vm_real p = -2.72614225801306e-10f;
    p = p * s + 2.77068142495902e-08f;
    p = p * s - 2.10102402082508e-06f;
    p = p * s - 5.69250639462346e-05f;
    p = p * s - 7.34990630326855e-04f;
    p = p * s - 2.95459980854025e-03f;
    p = p * s - 1.60960333262415e-02f;
    vm_real q = -1.45660718464996e-05f;
    q = q * s - 2.13374055278905e-04f;
    q = q * s - 1.68282697438203e-03f;
    q = q * s - 7.37332916720468e-03f;
    q = q * s - 1.42647390514189e-02f;
    return x * p / q;
}
#else
static inline vm_real vm_erf(vm_real x) { return erf(x); }
#endif

#define VM_LOG2_E ((vm_real)1.4426950408889634074)

/* p = e^f - 1, and 2^(n + shift) by writing n + shift into the exponent bits */
static inline vm_real vm_split(vm_real a, int shift, vm_real *power)
{
    const vm_real rounded = a * VM_LOG2_E + VM_ROUND, n = rounded - VM_ROUND;
    const vm_real f = (a - n * VM_LN2_HIGH) - n * VM_LN2_LOW;
    vm_bits bits;
    memcpy(&bits, &rounded, sizeof bits);
    bits = (bits + (vm_bits)(VM_BIAS + shift)) << VM_MANTISSA;
    memcpy(power, &bits, sizeof bits);
    return vm_tail(f) * f * f + f;
}

/* e^a for a <= 0; the guard lets the result round into the denormals in one multiplication */
static inline vm_real vm_exp_nonpositive(vm_real a)
{
    vm_real power;
    a = a < VM_EXP_UNDERFLOW ? VM_EXP_UNDERFLOW : a;
    const vm_real p = vm_split(a, VM_GUARD, &power);
    return (p + 1) * power * VM_UNGUARD;
}

/* e^a - 1 for a <= 0 */
static inline vm_real vm_expm1_nonpositive(vm_real a)
{
    vm_real power;
    a = a < VM_TANH_IS_ONE ? VM_TANH_IS_ONE : a;
    const vm_real p = vm_split(a, 0, &power);
    return p * power + (power - 1);
}

/* 1 / (1 + e^-x), above and below times 2^-guard: e^-x then overflows for no x, and the quotient rounds into the
 * denormals in one division */
static inline vm_real vm_sigmoid(vm_real x)
{
    vm_real power, a = -x;
    a = a < VM_SIGMOID_IS_ONE ? VM_SIGMOID_IS_ONE : a;
    a = a > -VM_EXP_UNDERFLOW ? -VM_EXP_UNDERFLOW : a;
    const vm_real p = vm_split(a, -VM_GUARD, &power);
    return VM_UNGUARD / (VM_UNGUARD + (p * power + power));
}

/* tanh |x| = -m / (m + 2) with m = e^(-2 |x|) - 1; the sign of x, of a zero too, is put back */
static inline vm_real vm_tanh(vm_real x)
{
    const vm_real m = vm_expm1_nonpositive(-2 * vm_abs(x));
    return vm_copysign(m / (m + 2), x);
}

#endif
