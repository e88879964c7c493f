/* A plain C training loop with the bits of hq_ray's kernel: the yardstick of kernel_against_c.py.
 *
 * One trial at a time, written as one writes such a loop: no tables packed, no trials in turn.
 * Compile with: gcc -O3 -march=native -ffp-contract=off -shared -fPIC
 */
#include <stdint.h>

typedef unsigned __int128 u128;
typedef struct { u128 state, increment; } pcg64;

static inline double uniform(pcg64 *g) {
    const u128 multiplier = ((u128)0x2360ED051FC65DA4ULL << 64) | 0x4385DF649FCCF645ULL;
    g->state = g->state * multiplier + g->increment;
    uint64_t high = (uint64_t)(g->state >> 64), mixed = high ^ (uint64_t)g->state;
    int turn = (int)(high >> 58);
    uint64_t raw = (mixed >> turn) | (mixed << (-turn & 63));
    return (double)(raw >> 11) * (1.0 / 9007199254740992.0);
}

static inline double smaller(double a, double b) { return b < a ? b : a; }
static inline double greater(double a, double b) { return b > a ? b : a; }

static inline double standard(double q, double y, double alpha, double eps_shift) {
    (void)eps_shift;
    return q + alpha * (y - q);
}

static inline double harmonic(double q, double y, double alpha, double eps_shift) {
    double least = smaller(y, smaller(q, 0.0));
    double u = greater(q - least + eps_shift, 1e-12);
    double v = greater(y - least + eps_shift, 1e-12);
    double weight = alpha * u;
    return q + weight / ((1.0 - alpha) * v + weight) * (y - q);
}

/* Arrays are (states, actions, outcomes) in C order; starts are the possible first states. */
#define TRAIN(NAME, UPDATE)                                                                        \
    int64_t NAME(int64_t n_starts, int64_t actions, int64_t outcomes, const int32_t *next_state,   \
                 const double *reward, const double *cumulative, const uint8_t *terminated,        \
                 const int64_t *starts, const double *start_cumulative, int64_t draws,             \
                 int64_t episodes, int64_t max_steps,                                              \
                 const double *epsilon, double alpha, double eps_shift, double gamma,              \
                 const uint64_t *streams, double *q_values, double *episode_return) {              \
        pcg64 agent = {((u128)streams[0] << 64) | streams[1], ((u128)streams[2] << 64) | streams[3]}; \
        pcg64 env = {((u128)streams[4] << 64) | streams[5], ((u128)streams[6] << 64) | streams[7]}; \
        int64_t steps = 0;                                                                         \
        for (int64_t episode = 0; episode < episodes; episode++) {                                 \
            double eps = epsilon[episode], total = 0.0;                                            \
            int64_t state = 0;                                                                     \
            double draw = draws ? uniform(&env) : 0.0;                                             \
            for (int64_t s = 0; s < n_starts; s++)                                                 \
                if (start_cumulative[s] > draw) { state = starts[s]; break; }                      \
            for (int64_t length = 1;; length++) {                                                  \
                double *row = q_values + state * actions;                                          \
                double u = uniform(&agent);                                                        \
                int64_t action = 0;                                                                \
                if (u < eps) {                                                                     \
                    action = (int64_t)(u * (double)actions / eps);                                 \
                    if (action >= actions) action = actions - 1;                                   \
                } else {                                                                           \
                    for (int64_t a = 1; a < actions; a++)                                          \
                        if (row[a] > row[action]) action = a;                                      \
                }                                                                                  \
                int64_t pair = (state * actions + action) * outcomes, outcome = 0;                 \
                if (draws) {                                                                       \
                    draw = uniform(&env);                                                          \
                    for (int64_t k = 0; k < outcomes; k++)                                         \
                        if (cumulative[pair + k] > draw) { outcome = k; break; }                   \
                }                                                                                  \
                state = next_state[pair + outcome];                                                \
                double r = reward[pair + outcome], target = r;                                     \
                int done = terminated[pair + outcome];                                             \
                if (!done) {                                                                       \
                    const double *there = q_values + state * actions;                              \
                    double best = there[0];                                                        \
                    for (int64_t a = 1; a < actions; a++) best = greater(best, there[a]);          \
                    target = r + gamma * best;                                                     \
                }                                                                                  \
                row[action] = UPDATE(row[action], target, alpha, eps_shift);                       \
                total += r;                                                                        \
                steps++;                                                                           \
                if (done || length == max_steps) break;                                            \
            }                                                                                      \
            episode_return[episode] = total;                                                       \
        }                                                                                          \
        return steps;                                                                              \
    }

TRAIN(train_standard, standard)
TRAIN(train_harmonic, harmonic)
